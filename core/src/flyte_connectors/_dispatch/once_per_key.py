"""Work that runs once for its key, to its end, and whose outcome is remembered where that matters."""

from __future__ import annotations

import asyncio
import collections
import logging
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

from flyte_connectors._calls.deadlines import Deadlines
from flyte_connectors.errors import ConnectorError

logger = logging.getLogger(__name__)

REMEMBERED = 10_000
"""Outcomes that are remembered at most; the oldest are forgotten first."""

Work: TypeAlias = Callable[[], Coroutine[Any, Any, bytes]]
Outcome: TypeAlias = "bytes | ConnectorError"
"""What the work returned, or why there is nothing."""


class OncePerKey:
    """What runs in this process, and how it ended, by key.

    Args:
        unfinished: Where what runs is to be found by whoever shuts this process down.
    """

    def __init__(self, unfinished: set[asyncio.Task[Any]]) -> None:
        self._unfinished = unfinished
        self._deadlines = Deadlines()
        self._running: dict[str, asyncio.Task[bytes]] = {}
        self._waiting: dict[str, int] = {}
        self._kept: set[str] = set()
        self._outcomes: collections.OrderedDict[str, Outcome] = collections.OrderedDict()

    def outcome(self, key: str) -> Outcome | None:
        """How the work of `key` ended; None if it has not, or is not remembered."""
        return self._outcomes.get(key)

    def is_known(self, key: str) -> bool:
        """Whether the work of `key` runs, or its outcome is remembered."""
        return key in self._running or key in self._outcomes

    def is_waited_for(self, key: str) -> bool:
        """Whether somebody waits for the work of `key`."""
        return key in self._waiting

    async def run(
        self, key: str, work: Work, *, keep: bool, seconds: float | None = None
    ) -> bytes | None:
        """The outcome of the work of `key`, which is started unless it is known.

        Args:
            key: Identifies the work.
            work: Starts it.
            keep: Whether to remember its outcome; it is remembered in any case if somebody left without
                it. An error that a repetition may heal is never remembered.
            seconds: How long to wait; None to the end.

        Returns:
            What it returned; None if it takes longer.

        Raises:
            ConnectorError: it failed.
        """
        outcome = self._outcomes.get(key)
        if outcome is not None:
            return _unwrapped(outcome)
        task = self._running.get(key) or self._begin(key, work)
        if keep:
            self._kept.add(key)
        if task.done():
            return task.result()
        limit = None if seconds is None else self._deadlines.begin(seconds)
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                logger.info("the caller of the create of %s has left; it goes on", key)
                task.add_done_callback(partial(_log_end, key))
            if limit is None or not limit.expired:
                raise
            self._kept.add(key)
            if task.done():
                self._ended(key, task)
            return None
        finally:
            others = self._waiting.pop(key) - 1
            if others:
                self._waiting[key] = others
            if limit is not None:
                limit.end()

    def _begin(self, key: str, work: Work) -> asyncio.Task[bytes]:
        """Start the work in a task of its own, which no caller's leaving ends."""
        loop = asyncio.get_running_loop()
        if sys.version_info >= (3, 12):  # what ends without waiting needs no turn of the loop
            task = asyncio.Task(work(), loop=loop, eager_start=True)
        else:
            task = loop.create_task(work())
        if not task.done():
            self._unfinished.add(task)
            task.add_done_callback(self._unfinished.discard)
        self._running[key] = task
        task.add_done_callback(partial(self._ended, key))
        return task

    def _ended(self, key: str, task: asyncio.Task[bytes]) -> None:
        self._running.pop(key, None)
        if key not in self._kept:
            return
        self._kept.discard(key)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._remember(key, task.result())
        elif isinstance(error, ConnectorError) and not error.retryable:
            error.__cause__ = error.__context__ = None  # their frames hold the whole request
            self._remember(key, error.with_traceback(None))

    def _remember(self, key: str, outcome: Outcome) -> None:
        self._outcomes[key] = outcome
        if len(self._outcomes) > REMEMBERED:
            self._outcomes.popitem(last=False)


def _unwrapped(outcome: Outcome) -> bytes:
    if isinstance(outcome, ConnectorError):
        raise outcome.with_traceback(None)
    return outcome


def _log_end(key: str, task: asyncio.Task[bytes]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.warning(
            "the create of %s failed after its caller had left: %s", key, task.exception()
        )
