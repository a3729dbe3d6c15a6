"""The envelope: what the core stores with a connector's resource meta, the only data that GetTask carries.

The back end stores these bytes at CreateTask and sends them with every later call, on whichever
replica. Around the connector's own bytes they hold the declared outputs (so that `get` can type
its values), the names of the secrets that a call needs, the idempotency key, and the finished resource
of a sync connector, or the request of a create that still runs.

    magic  crc32  msgpack map

The map describes itself: absent fields are not written, and unknown ones are ignored, so that two
releases read each other's metas. The checksum starts from the task type's name, so the bytes of another
connector are refused. Bytes without a magic are a bare meta, as the official service writes it.
"""

from __future__ import annotations

import functools
import json
import re
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgpack import packb, unpackb

from flyte_connectors.errors import InvalidResourceMetaError

_MAGIC = b"\x00fc2"
_START = len(_MAGIC) + 4  # after the checksum
_LATEST = 1e15  # seconds; event loops can't wait for ever
_is_key = re.compile(r"[a-z0-9-]{0,63}").fullmatch

_FIRST_MAGIC = b"\x00fc1"  # fixed places, the checksum at the end: read, but not written any more
_LENGTHS = struct.Struct("!4sIIB?I")


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
        limit: Seconds that the job may take, and when they end, in seconds since 1970.
    """

    meta: bytes
    outputs: bytes | None = None
    secrets: Mapping[str, str] = {}
    key: str = ""
    finished: bytes = b""
    request: bytes = b""
    limit: tuple[float, float] | None = None


_NO_SECRETS: dict[str, str] = {}
_USUAL = frozenset({("meta", bytes), ("outputs", bytes), ("key", str)})
_TYPES = _USUAL | {("secrets", dict), ("finished", bytes), ("request", bytes), ("limit", list)}


def seal(envelope: Envelope, task_type: str) -> bytes:
    """The bytes of `envelope` for a task type."""
    meta, outputs, secrets, key, finished, request, limit = envelope
    fields: dict[str, object] = {"meta": meta, "key": key}
    if outputs is not None:
        fields["outputs"] = outputs
    if secrets or finished or request or limit:
        others = {"secrets": secrets, "finished": finished, "request": request, "limit": limit}
        fields |= {name: value for name, value in others.items() if value}
    body: bytes = packb(fields)
    return _MAGIC + zlib.crc32(body, _seed(task_type)).to_bytes(4, "big") + body


def unseal(data: bytes, task_type: str) -> Envelope:
    """Read what `seal` wrote for the same task type, or a bare meta.

    Raises:
        InvalidResourceMetaError: `data` is empty, damaged, or of another task type.
    """
    if not data:
        message = f"empty: task type '{task_type}' needs the meta that create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    magic = data[:4]
    if magic == _MAGIC:
        body, checksum, read = data[_START:], data[4:_START], unpackb
    elif magic == _FIRST_MAGIC:
        body, checksum, read = data[:-4], data[-4:], _read_first
    else:
        return Envelope(data)
    if checksum != zlib.crc32(body, _seed(task_type)).to_bytes(4, "big"):
        message = f"damaged, or not of task type '{task_type}': pass the meta that create returned"
        raise InvalidResourceMetaError(message, field="resource_meta")
    try:  # the checksum is not a secret: a client can compute it
        fields = read(body)
        if type(fields) is not dict or not _USUAL.issuperset(zip(fields, map(type, fields.values()))):  # noqa: B905
            fields = _checked(fields)
        if _is_key(fields.get("key", "")):
            return Envelope(**fields)
        fault = "key is not an idempotency key"
    except (ValueError, TypeError, RecursionError, MemoryError, struct.error) as error:
        fault = str(error) or type(error).__name__
    raise InvalidResourceMetaError(f"of another layout: {fault}"[:200], field="resource_meta")


def _checked(given: Any) -> dict[str, Any]:
    """The fields of an envelope that are in a map, whose unknown entries are a later release's."""
    if type(given) is not dict:
        raise TypeError("not a map")
    fields: dict[str, Any] = given
    if not _TYPES.issuperset(zip(fields, map(type, fields.values()), strict=True)):
        fields = {name: fields[name] for name in Envelope._fields if name in fields}
        misfits = {*zip(fields, map(type, fields.values()), strict=True)} - _TYPES
        if misfits:
            raise TypeError(f"{min(misfits)[0]} is of another type")
    for pair in fields.get("secrets", _NO_SECRETS).items():
        "".join(pair).encode()  # texts, and such as UTF-8 has
    if "limit" in fields:
        seconds, deadline = fields["limit"] = tuple(map(float, fields["limit"]))
        if not (0 <= seconds < _LATEST and 0 <= deadline < _LATEST):
            raise ValueError("limit is not a duration and a time")
    return fields


def _read_first(body: bytes) -> dict[str, Any]:
    """The fields in the first layout: magic, lengths, outputs, secrets, key, finished or request, meta."""
    _, outputs, secrets, key, is_request, extra = _LENGTHS.unpack_from(body)
    outputs_end = _LENGTHS.size + outputs
    secrets_end = outputs_end + secrets
    key_end = secrets_end + key
    extra_end = key_end + extra
    if extra_end > len(body):
        raise ValueError("it ends too early")
    return {
        "meta": body[extra_end:],
        "outputs": body[_LENGTHS.size : outputs_end],
        "secrets": json.loads(body[outputs_end:secrets_end]) if secrets else {},
        "key": body[secrets_end:key_end].decode(),
        "request" if is_request else "finished": body[key_end:extra_end],
    }


@functools.lru_cache(maxsize=256)
def _seed(task_type: str) -> int:
    """Where the checksums of a task type start from."""
    return zlib.crc32(task_type.encode())
