"""A job in a URL: its task type, and what its create returned."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple
from urllib.parse import quote

from flyteidl2.connector import connector_pb2 as pb

LONGEST_META = 24_000  # bytes; HTTP servers refuse longer request lines


class JobAddress(NamedTuple):
    """What identifies a job to every replica of every service that has its connector.

    Attributes:
        task_type: Its task type, and `version` of that.
        meta: The `resource_meta` that its create returned.
    """

    task_type: str
    meta: bytes
    version: int = 0

    @property
    def path(self) -> str:
        """Its page, below that of the console; empty if it is too long for a URL."""
        if len(self.meta) > LONGEST_META:
            return ""
        sealed = base64.urlsafe_b64encode(self.meta).decode().rstrip("=")
        version = f"?version={self.version}" if self.version else ""
        return f"/jobs/{quote(self.task_type, safe='')}/{sealed}{version}"

    @property
    def category(self) -> pb.TaskCategory:
        """The task category of requests about it."""
        return pb.TaskCategory(name=self.task_type, version=self.version)

    @classmethod
    def parse(cls, task_type: str, sealed: str, version: str = "") -> JobAddress:
        """The job of a URL.

        Raises:
            ValueError: it names none.
        """
        try:
            padded = sealed + "=" * (-len(sealed) % 4)
            meta = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            message = "the address of this job is incomplete or damaged: copy it once more"
            raise ValueError(message) from error
        if not meta or not (version or "0").isdecimal() or len(version) > 9:  # noqa: PLR2004
            message = "the address of this job is incomplete or damaged: copy it once more"
            raise ValueError(message)
        return cls(task_type, meta, int(version or 0))
