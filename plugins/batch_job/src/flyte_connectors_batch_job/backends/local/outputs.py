"""What a job that ended well leaves as outputs.

A JSON object in the file that `$BATCH_JOB_OUTPUTS` names, with exactly the declared names. A job
that declares one string and writes no file gives the last line of its stdout.
"""

from __future__ import annotations

import json

from flyte_connectors_batch_job.backends.local import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

NAME = "outputs.json"
MAX_BYTES = 1024 * 1024
"""Limit of the file: Flyte's back end refuses replies over 4 MB, and big data belongs in files."""


class OutputsError(Exception):
    """The outputs are missing or wrong; the text says which and how to correct it."""


def collect(
    folder: int,
    declared: list[str],
    line_output: str | None,
    last: str,
    stored: Collection[str] = (),
) -> dict[str, Any]:
    """Read the outputs.

    Args:
        folder: Descriptor of the job's own folder, where it has to write `NAME`.
        declared: Names of the declared outputs.
        line_output: Name of the output that falls back to the last line of stdout, if one does.
        last: The last line of stdout; empty if there is none.
        stored: Names of outputs that are files, which may be missing there.

    Raises:
        OutputsError: they are missing or wrong.
    """
    return check(_read(folder), declared, line_output, last, stored)


def check(
    data: bytes | None,
    declared: list[str],
    line_output: str | None,
    last: str,
    stored: Collection[str] = (),
) -> dict[str, Any]:
    """The outputs in the bytes of the file `NAME`, or None if there is no file; see `collect`."""
    if data is not None:
        return _check(_parse(data), declared, stored)
    if line_output is not None and last:
        return {line_output: last}
    return _check({}, declared, stored)


def _read(folder: int) -> bytes | None:
    try:
        return files.read(NAME, limit=MAX_BYTES, folder=folder, owned=True)
    except files.DamagedFileError as error:
        message = f"$BATCH_JOB_OUTPUTS {error}"
        raise OutputsError(message) from error
    except OSError as error:
        message = f"$BATCH_JOB_OUTPUTS can't be read: {error.strerror}"
        raise OutputsError(message) from error


def _parse(data: bytes) -> dict[str, Any]:
    try:
        outputs = json.loads(data)
        json.dumps(outputs, ensure_ascii=False).encode()  # halves of a character pair have no UTF-8
    except (ValueError, RecursionError) as error:
        message = f"$BATCH_JOB_OUTPUTS is not valid JSON: {error}"
        raise OutputsError(message) from error
    if not isinstance(outputs, dict):
        message = f"$BATCH_JOB_OUTPUTS holds a JSON {type(outputs).__name__}, expected an object"
        raise OutputsError(message)
    return outputs


def _check(outputs: dict[str, Any], declared: list[str], stored: Collection[str]) -> dict[str, Any]:
    known = ", ".join(declared) or "none"
    for name in sorted(outputs.keys() - set(declared)):
        message = f"the job wrote the undeclared output '{name}' (declared: {known})"
        raise OutputsError(message)
    for name in declared:
        if name not in outputs and name not in stored:
            message = f"the job ended without its output '{name}': write it to $BATCH_JOB_OUTPUTS"
            raise OutputsError(message)
    return outputs
