"""Trying again: only what may pass, and only within the caller's time."""

from __future__ import annotations

import time

from flyte_connectors._calls.retries import SHARE, Backoff
from flyte_connectors.errors import (
    InvalidRequestError,
    RateLimitedError,
    ServiceUnavailableError,
)


async def test_a_lasting_fault_is_not_tried_again() -> None:
    """Whatever time is left."""
    assert not await Backoff(60).again(InvalidRequestError("bad"))


async def test_a_passing_fault_is_tried_until_the_time_is_up() -> None:
    """Several times, and never beyond the share that is meant for it."""
    began = time.monotonic()
    backoff = Backoff(0.5)
    tries = 0
    while await backoff.again(ServiceUnavailableError("away")):
        tries += 1
    assert tries >= 2
    assert time.monotonic() - began <= SHARE * 0.5 + 0.2


async def test_the_vendor_says_when_to_come_back() -> None:
    """Sooner is not tried, and later than the time that is left not at all."""
    error = RateLimitedError("slow down")
    error.retry_after = 0.3
    began = time.monotonic()
    assert await Backoff(10).again(error)
    assert time.monotonic() - began >= 0.3
    error.retry_after = 60.0
    assert not await Backoff(10).again(error)
    assert time.monotonic() - began < 5


async def test_what_is_left_is_never_nothing() -> None:
    """A try that begins late gets a moment, not an endless time limit."""
    assert 0 < Backoff(0.0001).left() <= 0.001
