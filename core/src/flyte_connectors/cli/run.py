"""`flyte-connectors run FILE TASK --input value`: run a task, locally or on a service."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.cli import history
from flyte_connectors.cli.job_clients import ENDPOINT_VARIABLE, service_at
from flyte_connectors.cli.progress import Progress
from flyte_connectors.cli.streams import INTERRUPTED, complain
from flyte_connectors.cli.task_files import describe_tasks, find_task
from flyte_connectors.cli.task_options import parse_inputs
from flyte_connectors.cli.values import printable
from flyte_connectors.client.job_loop import GIVE_UP_AFTER
from flyte_connectors.client.local import local_client
from flyte_connectors.errors import ConnectorError
from flyte_connectors.tasks.calls import process_of_one_run
from flyte_connectors.tasks.current_run import GIVE_UP_VARIABLE, CurrentRun, seconds, within_run
from flyte_connectors.tasks.template import TaskTemplate


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`; a task's inputs become options once it is known."""
    add = parser.add_argument
    parser.usage = "%(prog)s [options] FILE TASK [--input value ...] [options]"
    _add_options(parser)
    add("file", metavar="FILE", help="Python file or module that defines the task")
    add(
        "task", metavar="TASK", nargs="?",
        help="name of the task, or of its variable; without it, the tasks of FILE are listed",
    )  # fmt: skip
    inputs = add(
        "inputs",
        nargs=argparse.REMAINDER,
        metavar="--input value",
        help="the task's inputs, an option for each: TASK --help lists them",
    )
    inputs.required = False  # argparse would ask for them when FILE is missing


def run(options: argparse.Namespace) -> int:
    """Run the task and print its outputs."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for the task's outputs
        module = import_module(options.file)
    if options.task is None:
        listing = describe_tasks(module, options.file)
        if {"-h", "--help"} & set(options.inputs):
            print(listing)
            return 0
        print(listing, file=sys.stderr)
        complain("error: a TASK is required after FILE")
        return 2
    task = find_task(module, options.file, options.task)
    command = f"flyte-connectors run {options.file} {options.task}"
    given, flags = parse_inputs(task, command, options.inputs, _add_options)
    vars(options).update(flags)
    inputs = task.interface.bind(task.name, (), given)
    return asyncio.run(_run(task, inputs, options))


async def _run(task: TaskTemplate, inputs: Mapping[str, Any], options: argparse.Namespace) -> int:
    endpoint, file = _endpoint(options), _lasting(options.file)
    async with contextlib.AsyncExitStack() as stack:
        here = contextlib.nullcontext(local_client())
        client = await stack.enter_async_context(service_at(endpoint) if endpoint else here)
        progress = Progress(endpoint=endpoint, module=file, quiet="quiet" in options)
        chosen = {key: value for key, value in vars(options).items() if key == "give_up_after"}
        execution = CurrentRun(client=client, observer=progress, **chosen)
        remembered = history.recording(execution.name, task.name, endpoint=endpoint, module=file)
        try:
            to_stderr = contextlib.redirect_stdout(sys.stderr)  # what the task's own code prints
            with (
                remembered,
                within_run(execution),
                process_of_one_run() as calls_of_threads,
                progress,
                to_stderr,
            ):
                progress.started(execution.name, task.name)
                if "console" in options:
                    _open_console(execution.name, endpoint)
                running = asyncio.ensure_future(task.execute(**inputs))
                cancels = (calls_of_threads.cancel, running.cancel)
                loop = asyncio.get_running_loop()
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(number, _cancel, cancels, progress)
                result = await running
        except asyncio.CancelledError:
            progress.cancelled()
            return INTERRUPTED
        except Exception as error:
            progress.ended("failed", "red")
            if isinstance(error, ConnectorError) and "traceback" not in options:
                raise
            _show(error, task, whole="traceback" in options)
            return 1
        progress.ended("succeeded", "green")
    _print_outputs(task, result, as_json="json" in options)
    return 0


def _open_console(run: str, endpoint: str) -> None:
    """Show the run by the command `console`, which prints the link; Ctrl-C is for the run alone."""
    import subprocess

    options = ["--run", run, "--no-browser", f"--endpoint={endpoint}"]
    command = [sys.executable, "-m", "flyte_connectors", "console", *options]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603


def _show(error: Exception, task: TaskTemplate, *, whole: bool) -> None:
    """Print what the task's own code has raised, and where."""
    import traceback

    from flyte_connectors.cli.user_tracebacks import user_traceback

    text = "".join(traceback.format_exception(error)) if whole else user_traceback(error)
    print(text, end="", file=sys.stderr)
    last = traceback.format_exception_only(type(error), error)[-1]
    complain(" ".join(f"task '{task.name}' failed: {last}".split()))


def _lasting(file: str) -> str:
    """The name of a file or module that holds in other working directories, too."""
    return str(pathlib.Path(file).resolve()) if file.endswith(".py") else file


def _cancel(cancels: Iterable[Callable[[], object]], progress: Progress) -> None:
    """Cancel the run; the second time, leave without waiting for that."""
    if progress.is_cancelling:
        progress.leaving()
        os._exit(INTERRUPTED)
    progress.is_cancelling = True
    progress.note("cancelling the job; press Ctrl-C again to leave at once")
    for cancel in cancels:
        cancel()


def _endpoint(options: argparse.Namespace) -> str:
    """The service of the flag, else of the variable; empty for this process."""
    return str(vars(options).get("endpoint", os.environ.get(ENDPOINT_VARIABLE, "")))


def _add_options(parser: argparse.ArgumentParser) -> None:
    """Add options that may stand before FILE and after TASK; those that are not given set nothing."""
    add = parser.add_argument
    add(
        "--endpoint",
        metavar="HOST:PORT",
        default=argparse.SUPPRESS,
        help="run on this connector service instead of in this process; https://HOST:PORT for TLS "
        f"({ENDPOINT_VARIABLE})",
    )
    add(
        "--give-up-after",
        metavar="SECONDS",
        type=seconds,
        default=argparse.SUPPRESS,
        help="fail, and cancel the job, if its state could not be read for so long; time in which this "
        f"machine sleeps does not count (default {GIVE_UP_AFTER:g}; {GIVE_UP_VARIABLE})",
    )
    for flag, text in (
        ("--json", "print the outputs as JSON"),
        ("--quiet", "print only the run's name, without progress and logs"),
        ("--console", "print a link to a page about the run, its log and its curves"),
        ("--traceback", "show whole tracebacks, including the framework's frames"),
    ):
        add(flag, action="store_true", default=argparse.SUPPRESS, help=text)


def _print_outputs(task: TaskTemplate, result: Any, *, as_json: bool) -> None:
    names: Sequence[str] = list(task.interface.outputs)
    values = dict(zip(names, (result,) if len(names) == 1 else (result or ()), strict=False))
    if as_json:
        print(json.dumps({name: printable(value) for name, value in values.items()}, indent=2))
        return
    for name, value in values.items():
        shown = value if isinstance(value, str) else json.dumps(printable(value))
        print(f"{name} = {shown}")
    sys.stdout.flush()
