"""Resource metas made by hand: their layout is public, and their checksum no secret."""

from __future__ import annotations

import json
import struct
import zlib

_MAGIC = b"\x00fc2"
FIRST_MAGIC = b"\x00fc1"
FIRST_LAYOUT = struct.Struct("!4sIIB?I")
"""Magic; lengths of outputs, secrets and key; whether the next is a request, and its length."""


def sealed(task_type: str, body: bytes) -> bytes:
    """A meta of this content for a task type, with a checksum that is right."""
    crc = zlib.crc32(body, zlib.crc32(task_type.encode()))
    return _MAGIC + struct.pack("!I", crc) + body


def with_secret(task_type: str, meta: bytes, argument: str, name: str) -> bytes:
    """A connector's own bytes, and the name of a secret that it is to be given.

    In the first layout, which every release reads.
    """
    secrets = json.dumps({argument: name}).encode()
    body = FIRST_LAYOUT.pack(FIRST_MAGIC, 0, len(secrets), 0, False, 0) + secrets + meta
    crc = zlib.crc32(body, zlib.crc32(task_type.encode()))
    return body + struct.pack("!I", crc)
