"""The part of a job that calls a function: imports it from its bundle, calls it, and writes what it returns.

The last line of stderr says why a function failed; nothing is read from stdout.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dataclasses
import functools
import hashlib
import importlib
import inspect
import io
import os
import shutil
import sys
import traceback
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from flyte_connectors.errors import ConnectorError, ConversionError, TaskFailedError
from flyte_connectors.io import DataFrame, Dir, File, storage
from flyte_connectors.tasks.interface import NativeInterface
from flyte_connectors.types import codec_for_type
from flyteidl2.task.common_pb2 import Inputs, Outputs

from flyte_connectors_functions import context, faults, location, mirror, report
from flyte_connectors_functions.call import EXIT_RETRY, REPORT, FunctionCall
from flyte_connectors_functions.literals import relocate, unpack_inputs

_CODE, _ENVIRONMENT = "code", "environment"


class CallError(Exception):
    """The function can't be called, or has returned what it may not; the text says why."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a job calls a function, and what becomes of its outputs.

    Args:
        job_id: Id of the job.
        folder: Its own folder.
        put: What gives a file of an output, by the output's name and the file's URI, the URI under which it is
            stored.
        write: What stores the outputs; it may raise `CallError`.
        index: Place of this job in an array, from 0.
        fail: What stores why the function failed, and whether it may be tried again.
    """

    job_id: str
    folder: Path
    put: Callable[[str, str], str]
    write: Callable[[Outputs], None]
    index: int = 0
    fail: Callable[[str, bool], None] = lambda _message, _retryable: None


def perform(call: FunctionCall, place: Place) -> int:
    """Call the function; returns the exit code of the job."""
    last: list[str] = []
    atexit.register(_end, last, place.folder)  # the first to be registered is the last to be called
    reported = place.folder / REPORT
    os.environ[report.VARIABLE] = str(reported)
    context.enter(context.TaskContext(job_id=place.job_id, **call.context))
    code, retryable = "", False
    with mirror.copied(reported, call.report):
        try:
            code = _unpacked(call, place.folder)
            function, interface = _function(call, code)
            result = _called(function, _inputs(call, interface, place.index))
            place.write(_outputs(call, interface, result, place.put))
            return 0
        except CallError as error:
            last.append(str(error))
        except BaseException as error:
            error.__traceback__ = _below_this(error)
            traceback.print_exception(error)
            last.append(faults.one_line(error, code))
            retryable = isinstance(error, ConnectorError) and error.retryable
    place.fail(last[-1], retryable)
    return EXIT_RETRY if retryable else 1


def _end(last: list[str], folder: Path) -> None:
    """Leave nothing of code and packages, which many jobs have, and say why the function failed."""
    for name in (_CODE, _ENVIRONMENT):
        shutil.rmtree(folder / name, ignore_errors=True)
    sys.stdout.flush()
    for line in last:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _unpacked(call: FunctionCall, folder: Path) -> str:
    """The folder of the function's code, made importable; empty if the module is installed."""
    if not call.code:
        return ""
    content = storage.read_bytes(call.code)
    digest = hashlib.sha256(content).hexdigest()
    if digest != call.digest:
        text = f"was changed since the task was started (SHA-256 {digest[:12]}, not {call.digest[:12]})"
        raise CallError(f"the code of task '{call.task}' {text}: start it again")
    code = folder / _CODE
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(code)  # which keeps names within the folder
    if Path(call.code).is_relative_to(folder):
        Path(call.code).unlink()  # the job's own copy
    sys.path.insert(0, str(code))
    return str(code)


def _function(call: FunctionCall, code: str) -> tuple[Callable[..., Any], NativeInterface]:
    where = f"{call.module}:{call.name}"
    if absent := location.missing(call.requires):
        text = f"{where} needs what {sys.executable} does not have: {', '.join(absent)}"
        raise CallError(f"{text}; install it there, or choose another `python`")
    try:
        found = location.resolve(importlib.import_module(call.module), call.name)
        function = location.body_of(found)
        return function, NativeInterface.from_callable(function)
    except ModuleNotFoundError as error:
        text = f"{where} can't be imported with {sys.executable}: {error}"
        missing = (error.name or "").partition(".")[0]
        is_own = missing == call.module.partition(".")[0] or (code and Path(code, missing).exists())
        hint = "" if is_own else f"; install {missing} there, or choose another `python`"
        raise CallError(text + hint) from None
    except AttributeError as error:
        raise CallError(f"{where} is not there where the job runs: {error}") from None
    except Exception as error:
        traceback.print_exception(error)
        raise CallError(f"{where} can't be imported: {faults.one_line(error, code)}") from None


def _inputs(call: FunctionCall, interface: NativeInterface, index: int) -> dict[str, Any]:
    message: Inputs = unpack_inputs(call.literals)
    copied = dict(zip(call.uris, call.files, strict=True))
    values = {}
    for named in message.literals:
        literal = named.value
        if named.name == call.mapped:
            literal = literal.collection.literals[index]
        relocate(literal, lambda uri: copied.get(uri, uri))
        try:
            python_type, _ = interface.inputs[named.name]
            values[named.name] = codec_for_type(python_type).decode(literal)
        except KeyError:
            raise CallError(f"the function has no parameter '{named.name}'") from None
        except ConversionError as error:
            raise CallError(f"input '{named.name}': {error}") from None
    return values


def _called(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Any:
    result = function(**inputs)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result


def _outputs(call: FunctionCall, interface: NativeInterface, result: Any, put: Callable[[str, str], str]) -> Outputs:
    """What the function has returned, with its files stored."""
    names = list(interface.outputs)
    values = result if isinstance(result, tuple) and len(names) != 1 else (result,)
    for name, value in zip(names, values, strict=False):
        if path := _file_inside(value):
            text = f"{path} is in a dataclass or a model, and would not be stored: return it beside it"
            raise CallError(f"output '{name}' of task '{call.task}': the file {text}")
    try:
        message = interface.write_outputs(call.task, result)
    except TaskFailedError as error:
        raise CallError(str(error)) from None
    for named in message.literals:
        relocate(named.value, functools.partial(put, named.name))
    return message


def _file_inside(value: Any, *, is_inside: bool = False) -> str:
    """The path of a local file in a dataclass or a model, whose literals are not looked into; empty if there is none."""
    if isinstance(value, (File, Dir, DataFrame)):
        path = (value.uri if isinstance(value, DataFrame) else value.path) or ""
        return path if is_inside and not storage.is_remote(path) else ""
    if isinstance(value, (list, tuple)):
        items: Any = value
    elif isinstance(value, dict):
        items = value.values()
    elif dataclasses.is_dataclass(value) or hasattr(type(value), "model_fields"):
        items, is_inside = vars(value).values(), True
    else:
        return ""
    return next(filter(None, (_file_inside(item, is_inside=is_inside) for item in items)), "")


def _below_this(error: BaseException) -> Any:
    """The traceback without the frames of this program."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def run_program(main: Callable[[], int]) -> NoReturn:
    """Run the program of a job, which returns its exit code.

    At the end threads are waited for and exit functions are called, as always; the destructors of native libraries are
    not: Arrow's abort a process in which its threads still run, after all that the job had to do is done.
    """
    code, own = 1, os.getpid()

    def leave() -> None:
        if os.getpid() == own:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

    atexit.register(leave)  # the first to be registered is the last to be called
    code = main()
    sys.exit(code)
