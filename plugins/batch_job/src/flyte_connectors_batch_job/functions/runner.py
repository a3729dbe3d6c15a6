"""The program of a function's job: `python -m flyte_connectors_batch_job.functions.runner`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from flyte_connectors.io import storage
from flyte_connectors.tasks.task_plugins import TaskPlugins
from flyte_connectors_functions import report
from flyte_connectors_functions.call import FunctionCall
from flyte_connectors_functions.calling import CallError, Place, perform, run_program
from flyte_connectors_functions.literals import pack

from flyte_connectors_batch_job.config import BatchJobConfig
from flyte_connectors_batch_job.functions import copied
from flyte_connectors_batch_job.functions.task import BatchFunctionTask

if TYPE_CHECKING:
    from flyteidl2.task.common_pb2 import Outputs

_ID, _INPUTS, _SECRETS = "BATCH_JOB_ID", "BATCH_JOB_INPUTS", "BATCH_JOB_SECRETS"
_OUTPUTS, _INDEX = "BATCH_JOB_OUTPUTS", "BATCH_JOB_INDEX"
_LARGEST_OUTPUTS = 1024 * 1024


def main() -> int:
    """Run the job; returns its exit code."""
    path = Path(os.environ[_INPUTS])
    call = FunctionCall(**json.loads(path.read_text())["call"])
    os.environ[report.MASKED] = os.environ.get(_SECRETS, "")
    left = _Left(path.parent)
    # Known already, so that no entry points have to be read for the environment of the function.
    TaskPlugins.register_pythontask_plugin(BatchJobConfig, BatchFunctionTask)
    return perform(
        call,
        Place(
            job_id=os.environ[_ID],
            folder=path.parent,
            put=left.put,
            write=lambda outputs: _write(call, outputs, left),
            index=int(os.environ.get(_INDEX) or 0),
        ),
    )


def _write(call: FunctionCall, outputs: Outputs, left: _Left) -> None:
    """Write the outputs as the service reads them, and the wrapper the files."""
    files = {"files": left.files, "dirs": left.dirs} if call.stores_files else {}
    data = json.dumps({"literals": pack(outputs), **files}).encode()
    if len(data) > _LARGEST_OUTPUTS:
        text = f"has outputs of {len(data)} bytes, more than {_LARGEST_OUTPUTS}: return a File"
        raise CallError(f"task '{call.task}' {text}")
    Path(os.environ[_OUTPUTS]).write_bytes(data)


class _Left:
    """The files that a function leaves for the wrapper to store.

    Args:
        folder: The job's own folder; what is elsewhere is copied into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.files: dict[str, str] = {}
        self.dirs: dict[str, str] = {}

    def put(self, output: str, uri: str) -> str:
        """What stands in a literal for a file of an output."""
        if storage.is_remote(uri):
            return uri
        path = storage.local_path(uri)
        number = len(self.files) + len(self.dirs)
        key = output if output not in {*self.files, *self.dirs} else f"{output}.{number}"
        (self.dirs if path.is_dir() else self.files)[key] = str(self._inside(path, number))
        return f"{copied.STORED}{key}"

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


if __name__ == "__main__":
    run_program(main)
