"""The program of a function's job: `python -m flyte_connectors_batch_job.functions.runner`.

It imports the function from its bundle, calls it, and writes what it returns. The last line of stderr says why a
function failed; nothing is read from stdout.
"""

from __future__ import annotations

import asyncio
import atexit
import dataclasses
import hashlib
import importlib
import inspect
import io
import json
import os
import shutil
import sys
import traceback
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flyte_connectors.errors import ConnectorError, ConversionError
from flyte_connectors.io import DataFrame, Dir, File, storage
from flyte_connectors.tasks.interface import NativeInterface
from flyte_connectors.tasks.task_plugins import TaskPlugins
from flyte_connectors.types import codec_for_type
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.task.common_pb2 import Inputs, Outputs

from flyte_connectors_batch_job.config import BatchJobConfig
from flyte_connectors_batch_job.functions import call as calls
from flyte_connectors_batch_job.functions import context, faults, location, report, reports
from flyte_connectors_batch_job.functions.task import BatchFunctionTask

_ID, _INPUTS = "BATCH_JOB_ID", "BATCH_JOB_INPUTS"
_OUTPUTS, _INDEX = "BATCH_JOB_OUTPUTS", "BATCH_JOB_INDEX"
_CODE = "code"
_LARGEST_OUTPUTS = 1024 * 1024


class _CallError(Exception):
    """The function can't be called, or has returned what it may not; the text says why."""


def main() -> int:
    """Run the job; returns its exit code."""
    last: list[str] = []
    path = Path(os.environ[_INPUTS])
    folder = path.parent
    atexit.register(_end, last, folder)  # the first to be registered is the last to be called
    call = calls.Call(**json.loads(path.read_text())["call"])
    os.environ[report.VARIABLE] = str(folder / reports.NAME)
    context.enter(context.TaskContext(job_id=os.environ[_ID], **call.context))
    code = ""
    # Known already, so that no entry points have to be read for the environment of the function.
    TaskPlugins.register_pythontask_plugin(BatchJobConfig, BatchFunctionTask)
    try:
        code = _unpacked(call, folder)
        function, interface = _function(call, code)
        inputs = _inputs(call, interface)
        result = _called(function, inputs)
        outputs = _outputs(call, interface, result, folder)
    except _CallError as error:
        last.append(str(error))
        return 1
    except BaseException as error:
        error.__traceback__ = _below_this(error)
        traceback.print_exception(error)
        last.append(faults.one_line(error, code))
        return calls.EXIT_RETRY if isinstance(error, ConnectorError) and error.retryable else 1
    Path(os.environ[_OUTPUTS]).write_bytes(outputs)
    return 0


def _end(last: list[str], folder: Path) -> None:
    """Leave nothing of the code, which many jobs have, and say why the function failed."""
    shutil.rmtree(folder / _CODE, ignore_errors=True)
    sys.stdout.flush()
    for line in last:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _unpacked(call: calls.Call, folder: Path) -> str:
    """The folder of the function's code, made importable; empty if the module is installed."""
    if not call.code:
        return ""
    content = storage.read_bytes(call.code)
    digest = hashlib.sha256(content).hexdigest()
    if digest != call.digest:
        text = f"was changed since the task was started (SHA-256 {digest[:12]}, not {call.digest[:12]})"
        raise _CallError(f"the code of task '{call.task}' {text}: start it again")
    code = folder / _CODE
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(code)  # which keeps names within the folder
    if Path(call.code).is_relative_to(folder):
        Path(call.code).unlink()  # the job's own copy
    sys.path.insert(0, str(code))
    return str(code)


def _function(call: calls.Call, code: str) -> tuple[Callable[..., Any], NativeInterface]:
    where = f"{call.module}:{call.name}"
    try:
        found = location.resolve(importlib.import_module(call.module), call.name)
        function = location.body_of(found)
        return function, NativeInterface.from_callable(function)
    except ModuleNotFoundError as error:
        text = f"{where} can't be imported with {sys.executable}: {error}"
        missing = (error.name or "").partition(".")[0]
        is_own = missing == call.module.partition(".")[0] or (code and Path(code, missing).exists())
        hint = "" if is_own else f"; install {missing} there, or choose another `python`"
        raise _CallError(text + hint) from None
    except AttributeError as error:
        raise _CallError(f"{where} is not there where the job runs: {error}") from None
    except Exception as error:
        traceback.print_exception(error)
        raise _CallError(f"{where} can't be imported: {faults.one_line(error, code)}") from None


def _inputs(call: calls.Call, interface: NativeInterface) -> dict[str, Any]:
    message: Inputs = calls.unpack_inputs(call.literals)
    copied = dict(zip(call.uris, call.files, strict=True))
    values = {}
    for named in message.literals:
        literal = named.value
        if named.name == call.mapped:
            literal = literal.collection.literals[int(os.environ[_INDEX])]
        calls.relocate(literal, lambda uri: copied.get(uri, uri))
        try:
            python_type, _ = interface.inputs[named.name]
            values[named.name] = codec_for_type(python_type).decode(literal)
        except KeyError:
            raise _CallError(f"the function has no parameter '{named.name}'") from None
        except ConversionError as error:
            raise _CallError(f"input '{named.name}': {error}") from None
    return values


def _called(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Any:
    result = function(**inputs)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result


def _outputs(call: calls.Call, interface: NativeInterface, result: Any, folder: Path) -> bytes:
    """What the function has returned, as the service reads it."""
    declared = interface.outputs
    values = result if isinstance(result, tuple) and len(declared) != 1 else (result,)
    if not declared and result is None:
        values = ()
    if len(values) != len(declared):
        text = f"returned {len(values)} outputs, {len(declared)} declared"
        raise _CallError(f"task '{call.task}' {text}")
    left = _Left(folder)
    message = Outputs()
    for (name, python_type), value in zip(declared.items(), values, strict=True):
        if path := _file_inside(value):
            text = (
                f"{path} is in a dataclass or a model, and would not be stored: return it beside it"
            )
            raise _CallError(f"output '{name}' of task '{call.task}': the file {text}")
        try:
            literal: Literal = codec_for_type(python_type).encode(value)
        except ConversionError as error:
            raise _CallError(f"output '{name}' of task '{call.task}': {error}") from None
        calls.relocate(literal, left.under(name))
        message.literals.add(name=name, value=literal)
    files = {"files": left.files, "dirs": left.dirs} if call.stores_files else {}
    data = json.dumps({"literals": calls.pack(message), **files}).encode()
    if len(data) > _LARGEST_OUTPUTS:
        text = f"has outputs of {len(data)} bytes, more than {_LARGEST_OUTPUTS}: return a File"
        raise _CallError(f"task '{call.task}' {text}")
    return data


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


class _Left:
    """The files that a function leaves for the wrapper to store.

    Args:
        folder: The job's own folder; what is elsewhere is copied into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.files: dict[str, str] = {}
        self.dirs: dict[str, str] = {}

    def under(self, output: str) -> Callable[[str], str]:
        """What says where a file of an output goes."""

        def place(uri: str) -> str:
            if storage.is_remote(uri):
                return uri
            path = storage.local_path(uri)
            number = len(self.files) + len(self.dirs)
            key = output if output not in {*self.files, *self.dirs} else f"{output}.{number}"
            (self.dirs if path.is_dir() else self.files)[key] = str(self._inside(path, number))
            return f"{calls.STORED}{key}"

        return place

    def _inside(self, path: Path, number: int) -> Path:
        path = path.resolve()
        if path.is_relative_to(self._folder):
            return path
        target = self._folder / "returned" / str(number) / path.name
        target.parent.mkdir(parents=True)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)
        return target


def _below_this(error: BaseException) -> Any:
    """The traceback without the frames of this program."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


if __name__ == "__main__":
    sys.exit(main())
