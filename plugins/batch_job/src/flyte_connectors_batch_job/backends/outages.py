"""What callers get while an engine does not answer."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, TypeVar

from flyte_connectors.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T", bound=ConnectorError)

DOWN_SECONDS = 10.0
"""Longer than a call of Flyte, so that the core does not repeat one that fails."""


@contextlib.contextmanager
def answered_at_once() -> Iterator[None]:
    """Have a poll in this block that fails be answered at once: the engine is asked again by a later one.

    The core repeats a call that fails for as long as its caller waits; during an outage that would be
    a dozen calls for each job and poll.
    """
    try:
        yield
    except ConnectorError as error:
        error.retry_after = max(error.retry_after or 0, DOWN_SECONDS)
        raise


def own(fault: T) -> T:
    """The error of a question that others have asked for this caller: one that is shared grows with each `raise`."""
    return copy.copy(fault)
