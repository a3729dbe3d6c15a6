"""Work that runs once per key, to completion, and whose outcome may be remembered."""

from __future__ import annotations

import asyncio
import collections
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, cast

from flyte_connectors._calls.deadlines import Deadlines
from flyte_connectors.errors import ConnectorError

logger = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Outcomes that are remembered at most; the oldest are forgotten first."""

Work: TypeAlias = Callable[[], Coroutine[Any, Any, bytes]]
Outcome: TypeAlias = "bytes | ConnectorError"
"""What the work returned, or why there is nothing."""


class OncePerKey:
    """Running work of this process, and remembered outcomes, by key.

    Args:
        unfinished: Set to which running tasks are added, so that a shutdown waits for them.
    """

    def __init__(self, unfinished: set[asyncio.Task[Any]]) -> None:
        self._unfinished = unfinished
        self._deadlines = Deadlines()
        self._running: dict[str, _Run] = {}
        self._outcomes: collections.OrderedDict[str, Outcome] = collections.OrderedDict()

    def outcome(self, key: str) -> Outcome | None:
        """How the work of `key` ended; None if it has not, or is not remembered."""
        return self._outcomes.get(key)

    def is_known(self, key: str) -> bool:
        """Whether the work of `key` runs, or its outcome is remembered."""
        return key in self._running or key in self._outcomes

    def is_waited_for(self, key: str) -> bool:
        """Whether a caller waits for the work of `key`."""
        run = self._running.get(key)
        return run is not None and bool(run.waiting)

    async def run(self, key: str, work: Work, *, keep: bool, seconds: float | None = None) -> bytes | None:
        """The outcome of the work of `key`, which is started unless it is known.

        Args:
            key: Identifies the work.
            work: Starts it.
            keep: Whether to remember its outcome; it is remembered in any case if a caller left without it.
                Retryable errors are never remembered.
            seconds: How long to wait; None to the end.

        Returns:
            What it returned; None if it takes longer.

        Raises:
            ConnectorError: it failed.
        """
        outcome = self._outcomes.get(key)
        if outcome is not None:
            return _unwrapped(outcome)
        run = self._running.get(key) or self._begin(key, work, keep=keep)
        run.keep |= keep
        if run.outcome is not None:
            return run.result()
        limit = None if seconds is None else self._deadlines.begin(seconds)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run.waiting.add(waiter)
        try:
            await waiter
            return run.result()
        except asyncio.CancelledError:
            if run.outcome is None:
                logger.info("the caller of the create of %s has disconnected; the create continues", key)
                run.was_left = True
            if limit is None or not limit.expired:
                raise
            run.keep = True
            self._keep(key, run.outcome)
            return None
        finally:
            run.waiting.discard(waiter)
            if limit is not None:
                limit.end()

    def _begin(self, key: str, work: Work, *, keep: bool) -> _Run:
        """Start the work in a separate task, which goes on when its caller leaves."""
        run = self._running[key] = _Run(keep=keep)
        to_end = self._to_end(key, run, work)
        loop = asyncio.get_running_loop()
        if sys.version_info >= (3, 12):  # what ends without waiting needs no turn of the loop
            task = asyncio.Task(to_end, loop=loop, eager_start=True)
        else:
            task = asyncio.Task(to_end, loop=loop)
        if run.outcome is None:
            self._unfinished.add(task)
        return run

    async def _to_end(self, key: str, run: _Run, work: Work) -> None:
        """Do the work and wake the waiting callers; callbacks of the task would cost each create more."""
        try:
            run.outcome = await work()
        except Exception as error:
            run.outcome = error
            if run.was_left:
                logger.warning("the create of %s failed after its caller had left: %s", key, error)
        except BaseException as error:
            run.outcome = error
            raise
        finally:
            self._running.pop(key, None)
            self._unfinished.discard(cast("asyncio.Task[Any]", asyncio.current_task()))
            if run.keep:
                self._keep(key, run.outcome)
            for waiter in run.waiting:
                if not waiter.done():
                    waiter.set_result(None)

    def _keep(self, key: str, outcome: bytes | BaseException | None) -> None:
        """Remember an outcome, if it lasts."""
        if isinstance(outcome, ConnectorError) and not outcome.retryable:
            outcome.__cause__ = outcome.__context__ = None  # their frames hold the whole request
            outcome = outcome.with_traceback(None)
        elif not isinstance(outcome, bytes):
            return
        self._outcomes[key] = outcome
        if len(self._outcomes) > REMEMBERED:
            self._outcomes.popitem(last=False)


class _Run:
    """Work that runs.

    Attributes:
        keep: Whether its outcome is to be remembered.
        was_left: Whether a caller that waited for it has left.
        waiting: Done when it has ended, one for each who waits.
        outcome: What it returned or raised; None until then.
    """

    __slots__ = ("keep", "outcome", "waiting", "was_left")

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        self.was_left = False
        self.waiting: set[asyncio.Future[None]] = set()
        self.outcome: bytes | BaseException | None = None

    def result(self) -> bytes:
        assert self.outcome is not None
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def _unwrapped(outcome: Outcome) -> bytes:
    if isinstance(outcome, ConnectorError):
        raise outcome.with_traceback(None)
    return outcome
