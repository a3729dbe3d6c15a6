"""What the core adds to a connector's resource meta, because GetTask carries nothing else.

The back end stores these bytes at CreateTask and sends them with every later call, on whichever
replica. Around the connector's own bytes they hold the declared outputs (so that `get` can type
its values), the names of the secrets that a call needs, the idempotency key (for the logs), and the
finished resource of a sync connector, or the request of a create that goes on.

    magic  lengths  outputs  secrets  key  finished or request  meta  crc32

The checksum starts from the task type's name, so another connector's bytes are told from one's own.
Bytes without the magic are a bare meta, as older releases and the official service write it.
"""

from __future__ import annotations

import functools
import json
import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from flyte_connectors.errors import InvalidResourceMetaError

_MAGIC = b"\x00fc1"
_LENGTHS = struct.Struct("!4sIIB?I")
_CHECKSUM = struct.Struct("!I")


class Envelope(NamedTuple):
    """The content of a `resource_meta` field.

    Attributes:
        meta: The connector's own bytes.
        outputs: Serialized `flyteidl2.core.VariableMap` of the declared outputs; None if the bytes
            came from a service that does not record them.
        secrets: Name of the secret for each keyword argument of the connector.
        key: The idempotency key that the job was created under.
        finished: Serialized `flyteidl2.connector.Resource` of a sync connector; empty otherwise.
        request: Serialized `flyteidl2.connector.CreateTaskRequest` of a job whose create was still
            running; empty otherwise.
    """

    meta: bytes
    outputs: bytes | None = None
    secrets: Mapping[str, str] = {}
    key: str = ""
    finished: bytes = b""
    request: bytes = b""


def seal(envelope: Envelope, task_type: str) -> bytes:
    """The bytes of `envelope` for a task type."""
    outputs = envelope.outputs or b""
    secrets = json.dumps(dict(envelope.secrets)).encode() if envelope.secrets else b""
    key = envelope.key.encode()
    extra = envelope.finished or envelope.request
    lengths = (len(outputs), len(secrets), len(key), bool(envelope.request), len(extra))
    body = b"".join((_LENGTHS.pack(_MAGIC, *lengths), outputs, secrets, key, extra, envelope.meta))
    return body + _CHECKSUM.pack(_checksum(body, task_type))


def unseal(data: bytes, task_type: str) -> Envelope:
    """Read what `seal` wrote for the same task type, or a bare meta.

    Raises:
        InvalidResourceMetaError: `data` is empty, damaged, or of another task type.
    """
    if not data:
        message = f"empty: task type '{task_type}' needs what its create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    if data[:4] != _MAGIC:
        return Envelope(data)
    end = len(data) - _CHECKSUM.size
    body = data[:end]
    if end < _LENGTHS.size or _CHECKSUM.unpack_from(data, end)[0] != _checksum(body, task_type):
        message = f"damaged, or not of task type '{task_type}': pass what its create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    try:
        return _read(body)
    except (ValueError, struct.error) as error:  # the checksum is no secret: anybody can make one
        message = f"of another layout: {error}"
        raise InvalidResourceMetaError(message, field="resource_meta") from None


def _read(body: bytes) -> Envelope:
    _, outputs, secrets, key, is_request, extra = _LENGTHS.unpack_from(body)
    outputs_end = _LENGTHS.size + outputs
    secrets_end = outputs_end + secrets
    key_end = secrets_end + key
    extra_end = key_end + extra
    return Envelope(
        meta=body[extra_end:],
        outputs=body[_LENGTHS.size : outputs_end],
        secrets=json.loads(body[outputs_end:secrets_end]) if secrets else {},
        key=body[secrets_end:key_end].decode(),
        finished=b"" if is_request else body[key_end:extra_end],
        request=body[key_end:extra_end] if is_request else b"",
    )


def _checksum(body: bytes, task_type: str) -> int:
    return zlib.crc32(body, _seed(task_type))


@functools.lru_cache(maxsize=256)
def _seed(task_type: str) -> int:
    return zlib.crc32(task_type.encode())
