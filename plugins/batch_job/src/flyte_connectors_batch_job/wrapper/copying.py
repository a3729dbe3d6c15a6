"""What all ways of copying share: how much may be copied, in which pieces, and the content type.

The content type of a file is kept in an extended attribute, where the file system has these: so it survives a
job that copies the file, too.
"""

from __future__ import annotations

import contextlib
import os

from flyte_connectors_batch_job.wrapper.faults import TransferError

TYPE_CHECKING = False  # `typing` would cost each job some milliseconds
if TYPE_CHECKING:
    from typing import BinaryIO

LIMIT_VARIABLE = "FLYTE_BATCH_JOB_FILE_LIMIT"
DEFAULT_LIMIT = "5Gi"
_DEFAULT_BYTES = 5 * 1024**3

PIECE_BYTES = 8 * 1024 * 1024
MOST_FILES = 100_000
DEFAULT_TYPE = "application/octet-stream"

_TYPE_ATTRIBUTE = "user.mime_type"  # https://www.freedesktop.org/wiki/CommonExtendedAttributes/


def limit_bytes() -> int:
    """Most bytes of each input and output. Raises ValueError if the setting is wrong."""
    chosen = os.environ.get(LIMIT_VARIABLE)
    if chosen in (None, "", DEFAULT_LIMIT):
        return _DEFAULT_BYTES
    from flyte_connectors_batch_job.quantities import whole  # with `decimal`: 5 ms

    return whole(chosen)


class Allowance:
    """How many bytes may still be copied.

    Args:
        limit: Most bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def take(self, size: int) -> None:
        """Use up some of it. Raises TransferError if there is not so much."""
        self.check(size)
        self._left -= size

    def check(self, size: int) -> None:
        """Raise TransferError if there is not so much of it."""
        if size > self._left:
            from flyte_connectors_batch_job.quantities import readable

            raise TransferError(f"larger than the limit of {readable(self._limit)}")


def counted(count: int) -> int:
    """One more file. Raises TransferError if a folder may not hold so many."""
    if count >= MOST_FILES:
        raise TransferError(f"holds more than {MOST_FILES} files")
    return count + 1


def type_of(file: BinaryIO) -> str:
    """The content type that was noted at a file; empty if there is none."""
    try:
        return os.getxattr(file.fileno(), _TYPE_ATTRIBUTE).decode("ascii")
    except (OSError, AttributeError, ValueError):  # the file system or the platform has none
        return ""


def note_type(file: BinaryIO, content_type: str) -> None:
    """Note the content type of an open file."""
    if content_type and content_type != DEFAULT_TYPE:
        with contextlib.suppress(OSError, AttributeError, ValueError):
            os.setxattr(file.fileno(), _TYPE_ATTRIBUTE, content_type.encode("ascii"))
