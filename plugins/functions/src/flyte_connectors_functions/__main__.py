"""`python -m flyte_connectors_functions CALL`: make the call that is stored at this URI.

For jobs of connectors that copy no files: the function opens the files of its inputs where they are stored, and
those of its outputs are stored from here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from flyte_connectors.io import storage

from flyte_connectors_functions import endings
from flyte_connectors_functions.call import FunctionCall
from flyte_connectors_functions.calling import Place, perform, run_program


def main(uri: str) -> int:
    """Make a stored call; returns the exit code of the job."""
    stored = json.loads(storage.read_bytes(uri))
    job_id = stored.pop("job_id")
    call = FunctionCall(**stored)
    prefix = call.context["output_prefix"]
    with tempfile.TemporaryDirectory(prefix="function-") as folder:
        os.chdir(folder)  # for the files that the function writes
        return perform(
            call,
            Place(
                job_id=job_id,
                folder=Path(folder),
                put=_Stored(prefix).put,
                write=lambda outputs: endings.write_outputs(prefix, outputs),
                fail=lambda message, retryable: endings.write_error(prefix, message, retryable=retryable),
            ),
        )


class _Stored:
    """Stores the files of outputs under a prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = 0

    def put(self, output: str, uri: str) -> str:
        """Where a file of an output is stored, once it is."""
        if storage.is_remote(uri):
            return uri
        path = storage.local_path(uri).resolve()
        key = output if not self._count else f"{output}.{self._count}"
        self._count += 1
        target = storage.join(storage.join(self._prefix, "files"), f"{key}/{path.name}")
        if not path.is_dir():
            storage.upload(path, target)
        else:
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    storage.upload(file, storage.join(target, file.relative_to(path).as_posix()))
        return target


if __name__ == "__main__":
    run_program(lambda: main(sys.argv[1]))
