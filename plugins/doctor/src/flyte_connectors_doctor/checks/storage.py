"""Storage that jobs write to: whether a small file can be written and read back."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

from flyte_connectors.io import storage

from flyte_connectors_doctor.finding import Finding, Status

CHECK = "storage"
VARIABLE = "FLYTE_CONNECTORS_OUTPUT_PREFIX"


def check(uri: str | None) -> Iterator[Finding]:
    """Findings for the folder that is given, or that local runs write to.

    Args:
        uri: A folder's URI.
    """
    prefix = uri or os.environ.get(VARIABLE)
    if not prefix:
        return
    probe = storage.join(prefix, f".flyte-connectors-doctor-{uuid.uuid4().hex[:8]}")
    data = os.urandom(16)
    fix = "correct the URI, or give this process credentials for it (AWS_..., GOOGLE_...)"
    try:
        storage.write_bytes(probe, data)
        same = storage.read_bytes(probe) == data
    except (OSError, ValueError) as error:
        text = f"can't be written: {' '.join(str(error).split())[:300]}"
        yield Finding(CHECK, Status.FAULT, prefix, text, fix)
        return
    if not storage.is_remote(probe):
        storage.local_path(probe).unlink()
    if same:
        yield Finding(CHECK, Status.OK, prefix, "writable and readable")
    else:
        text = "another file was read than was written"
        yield Finding(CHECK, Status.FAULT, prefix, text, "use a store that reads what was written")
