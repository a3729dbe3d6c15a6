"""The spool's identity: a random id in a file, recorded in the meta of each job.

A replica whose volume is not mounted sees an empty directory, or another spool. Without the id it
would take every job for lost.
"""

from __future__ import annotations

import os

from flyte_connectors_batch_job.backends.local import files

_FILE = ".spool.json"


def read(root: str) -> str:
    """The id of the spool in a directory; empty if there is none, or an older release's.

    Raises:
        DamagedFileError: the file does not hold an id.
    """
    try:
        content = files.read_json(path(root))
    except files.DamagedFileError as error:
        raise _damaged(str(error)) from error
    if content is None:
        return ""
    spool_id = content.get("id")
    if not isinstance(spool_id, str) or not spool_id.isalnum():
        raise _damaged("does not hold a spool's id")
    return spool_id


def ensure(root: str) -> str:
    """The id of the spool in a directory, which gets one if it has none.

    Raises:
        DamagedFileError: the file does not hold an id.
        OSError: the directory can't be written.
    """
    return read(root) or _make(root)


def path(root: str) -> str:
    """The file that holds the id."""
    return os.path.join(root, _FILE)


def _damaged(fault: str) -> files.DamagedFileError:
    return files.DamagedFileError(f"its {_FILE} {fault}")


def _make(root: str) -> str:
    files.write_json_once(path(root), {"id": os.urandom(16).hex()})
    return read(root)  # another process may have been first
