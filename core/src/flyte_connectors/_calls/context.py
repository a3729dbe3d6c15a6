"""The call that the current code belongs to, for log lines and traces."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from typing import NamedTuple


class CallContext(NamedTuple):
    """A call of a connector.

    Attributes:
        verb: Name of the verb.
        task_type: The task type that it was for.
        key: Idempotency key of the job: run, action and attempt; empty if unknown.
    """

    verb: str
    task_type: str
    key: str = ""


current: contextvars.ContextVar[CallContext | None] = contextvars.ContextVar("call", default=None)
"""The call of this context; tasks and threads that it starts inherit it."""

metadata: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar("metadata", default={})  # noqa: B039  (never changed in place)
"""gRPC metadata of the request that is being served."""
