"""`flyte-connectors run FILE TASK --input value`: run a task, here or on a service."""

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
import types
from collections.abc import Mapping, Sequence
from typing import Any

from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.cli.progress import Progress
from flyte_connectors.cli.values import parse_value, printable
from flyte_connectors.client.job_loop import ConnectorClient
from flyte_connectors.client.local import local_client
from flyte_connectors.errors import ConnectorError, InvalidRequestError
from flyte_connectors.tasks.execution import Execution, executing
from flyte_connectors.tasks.interface import REQUIRED
from flyte_connectors.tasks.template import TaskTemplate

ENDPOINT_VARIABLE = "FLYTE_CONNECTORS_ENDPOINT"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run`; a task's inputs become options once it is known."""
    parser.usage = (
        "%(prog)s [--endpoint HOST:PORT] [--json] [--quiet] FILE TASK [--input value ...]"
    )
    _add_options(parser)
    parser.add_argument("file", metavar="FILE", help="Python file or module that defines the task")
    parser.add_argument("task", metavar="TASK", help="name of the task, or of its variable")
    inputs = parser.add_argument(
        "inputs", nargs=argparse.REMAINDER, metavar="--input value", help="the task's inputs"
    )
    inputs.required = False  # argparse would ask for them of who only forgot the task


def run(options: argparse.Namespace) -> int:
    """Run the task and print its outputs."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    module = import_module(options.file)
    task = _find_task(module, options.task)
    options, given = _parse_inputs(options, task)
    inputs = task.interface.bind(task.name, (), given)
    return asyncio.run(_run(task, inputs, options))


async def _run(task: TaskTemplate, inputs: Mapping[str, Any], options: argparse.Namespace) -> int:
    async with contextlib.AsyncExitStack() as stack:
        client = await _client(options.endpoint, stack)
        progress = Progress(
            endpoint=options.endpoint or "", module=_lasting(options.file), quiet=options.quiet
        )
        with executing(Execution(client=client, observer=progress)) as execution, progress:
            progress.started(execution.name, task.name)
            running = asyncio.ensure_future(task.execute(**inputs))
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, _cancel, running, progress)
            try:
                result = await running
            except asyncio.CancelledError:
                progress.ended("cancelled", "yellow")
                return 130
            except ConnectorError:
                progress.ended("failed", "red")
                raise
            progress.ended("succeeded", "green")
    _print_outputs(task, result, as_json=options.json)
    return 0


def _lasting(file: str) -> str:
    """The name of a file or module that holds in other working directories, too."""
    return str(pathlib.Path(file).resolve()) if file.endswith(".py") else file


def _cancel(running: asyncio.Future[Any], progress: Progress) -> None:
    """Cancel the run; the second time, leave without waiting for that."""
    if progress.is_cancelling:
        progress.note("leaving; `flyte-connectors cancel` finds the run again")
        os._exit(130)
    progress.is_cancelling = True
    progress.note("cancelling the job; once more to leave at once")
    running.cancel()


async def _client(endpoint: str | None, stack: contextlib.AsyncExitStack) -> ConnectorClient:
    if not endpoint:
        return local_client()
    from flyte_connectors.client.remote import RemoteService  # only for --endpoint

    return await stack.enter_async_context(RemoteService.from_environment(endpoint))


def _find_task(module: types.ModuleType, name: str) -> TaskTemplate:
    tasks = {key: value for key, value in vars(module).items() if isinstance(value, TaskTemplate)}
    by_name = {task.name: task for task in tasks.values()}
    found = tasks.get(name) or by_name.get(name)
    if found is None:
        known = ", ".join(sorted({*tasks, *by_name})) or "none"
        message = f"no such task; {module.__name__} has {known}"
        raise InvalidRequestError(message, field=name)
    return found


def _parse_inputs(
    options: argparse.Namespace, task: TaskTemplate
) -> tuple[argparse.Namespace, dict[str, Any]]:
    parser = argparse.ArgumentParser(
        prog=f"flyte-connectors run {options.file} {options.task}",
        description=(task.__doc__ or "").strip().partition("\n")[0] or None,
        argument_default=argparse.SUPPRESS,
    )
    group = parser.add_argument_group("inputs")
    for name, (python_type, default) in task.interface.inputs.items():
        shown = "required" if default is REQUIRED else f"default {default!r}"
        flags = [f"--{name}"] if "_" not in name else [f"--{name}", f"--{name.replace('_', '-')}"]
        type_name = getattr(python_type, "__name__", str(python_type))
        group.add_argument(*flags, dest=f"input {name}", metavar=type_name, help=shown)
    if not {"endpoint", "json", "quiet"} & task.interface.inputs.keys():
        _add_options(parser)
    given = vars(parser.parse_args(options.inputs))
    inputs = {}
    for name, (python_type, _) in task.interface.inputs.items():
        if f"input {name}" in given:
            inputs[name] = parse_value(name, python_type, given.pop(f"input {name}"))
    merged = {**vars(options), **{key: value for key, value in given.items() if value}}
    return argparse.Namespace(**merged), inputs


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--endpoint",
        metavar="HOST:PORT",
        default=os.environ.get(ENDPOINT_VARIABLE),
        help=f"run on this connector service instead of in this process ({ENDPOINT_VARIABLE})",
    )
    parser.add_argument("--json", action="store_true", help="print the outputs as JSON")
    parser.add_argument("--quiet", action="store_true", help="show no progress and no logs")


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
