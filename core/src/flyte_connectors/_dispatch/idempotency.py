"""Idempotency keys: one per attempt of a task, the same on every replica and in every repeated request."""

from __future__ import annotations

import hashlib
import os
import re
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flyteidl2.core.identifier_pb2 import TaskExecutionIdentifier

MAX_LENGTH = 63
"""Longest key: what a DNS label, and with it most systems' job names, may hold (RFC 1123)."""

REPEATED = "flyte-connectors-repeated"
"""Name of the gRPC metadata by which a client says that it sends a create once more, not knowing whether
the first one started a job. Flyte's back end does not send it."""


def idempotency_key(execution: TaskExecutionIdentifier) -> str:
    """The key of one attempt, `[a-z0-9-]{1,63}`, starting with a letter.

    It begins with the readable run, action and attempt, and ends with a digest of the whole
    identifier (project, domain, run, action, attempt; see `flyteidl2.core.TaskExecutionIdentifier`).
    An identifier without a run, which Flyte's back end never sends, gives a new key for every call.
    """
    node = execution.node_execution_id
    run = node.execution_id
    if not run.name:
        return f"anonymous-{os.urandom(16).hex()}"
    parts = (run.org, run.project, run.domain, run.name, node.node_id, str(execution.retry_attempt))
    whole = ", ".join(map(encode_basestring_ascii, parts))  # a list in JSON, without its detours
    digest = hashlib.sha256(f"[{whole}]".encode()).hexdigest()[:16]
    label = f"{_slug(run.name, 24)}-{_slug(node.node_id, 12)}-{execution.retry_attempt % 10**6}"
    return f"f-{label}-{digest}" if not label[0].isalpha() else f"{label}-{digest}"


def _slug(text: str, length: int) -> str:
    if text.isascii() and text.isalnum() and text.islower():
        return text[:length]
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:length].rstrip("-") or "x"
