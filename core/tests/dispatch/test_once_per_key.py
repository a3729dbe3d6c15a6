"""Work that runs once per key, to completion, and whose outcome may be remembered."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from fake_jobs import until
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.once_per_key import OncePerKey
from flyte_connectors.errors import InvalidRequestError, RateLimitedError


class Work:
    """Ends when it is let go on.

    Attributes:
        starts: How often it was started.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.starts = 0
        self.go_on = asyncio.Event()
        self._error = error

    async def __call__(self) -> bytes:
        self.starts += 1
        await self.go_on.wait()
        if self._error is not None:
            raise self._error
        return b"job"


@pytest.fixture
def runs(guard: CallGuard) -> OncePerKey:
    return OncePerKey(guard.unfinished)


async def test_what_was_started_finishes(runs: OncePerKey, guard: CallGuard, caplog: pytest.LogCaptureFixture) -> None:
    """It goes on to its end when its caller leaves, and drain waits for it."""
    caplog.set_level(logging.INFO)
    work = Work()
    caller = asyncio.ensure_future(runs.run("k1", work, keep=True))
    await until(lambda: work.starts)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert "the caller of the create of k1 has disconnected" in caplog.text
    draining = asyncio.ensure_future(guard.drain(10))
    await asyncio.sleep(0)
    assert not draining.done()
    work.go_on.set()
    assert await draining == 0
    assert await runs.run("k1", work, keep=True) == b"job"
    assert work.starts == 1


async def test_a_failure_after_the_caller_left_is_logged(runs: OncePerKey, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody else would hear of it."""
    work = Work(RateLimitedError("quota is used up"))
    caller = asyncio.ensure_future(runs.run("k1", work, keep=False))
    await until(lambda: work.starts)
    caller.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await caller
    work.go_on.set()
    await until(lambda: "create of k1 failed after its caller had left: quota" in caplog.text)


@pytest.mark.parametrize("limit", [None, 0.05])
async def test_all_that_wait_get_one_outcome(runs: OncePerKey, limit: float | None) -> None:
    """Whoever can't wait for it gets nothing, and finds it later."""
    work = Work()
    patient = [asyncio.ensure_future(runs.run("k1", work, keep=False)) for _ in range(3)]
    await until(lambda: work.starts)
    assert runs.is_waited_for("k1")
    if limit is not None:
        assert await runs.run("k1", work, keep=False, seconds=limit) is None
    work.go_on.set()
    assert await asyncio.gather(*patient) == [b"job"] * 3
    assert not runs.is_waited_for("k1")
    assert runs.outcome("k1") == (None if limit is None else b"job")
    assert work.starts == 1


@pytest.mark.parametrize(("error", "is_kept"), [(InvalidRequestError("bad"), True), (RateLimitedError("wait"), False)])
async def test_only_errors_that_last_are_remembered(runs: OncePerKey, error: Exception, is_kept: bool) -> None:
    """What a repetition may heal can be repeated."""
    work = Work(error)
    work.go_on.set()
    for _ in range(2):
        with pytest.raises(type(error)):
            await runs.run("k1", work, keep=True)
        await asyncio.sleep(0)
    assert work.starts == (1 if is_kept else 2)
    assert runs.is_known("k1") is is_kept
