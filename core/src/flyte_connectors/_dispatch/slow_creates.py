"""Creates that take longer than their caller waits.

Flyte's back end gives CreateTask ten seconds and then starts a new attempt, whose job would be a second
one. So a create that is not done in time goes on, and the caller gets a meta that holds the request
instead of the job. Any replica can turn it into the job's own meta: by waiting for the create, or by
repeating it under the same idempotency key.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from flyteidl2.connector import connector_pb2 as pb

if TYPE_CHECKING:
    from flyte_connectors._calls.guard import CallGuard

LARGEST_REQUEST = 64 * 1024
"""Bytes of a request that fits a meta; the create of a larger one is waited for to its end."""

_REMEMBERED = 10_000  # metas of jobs whose caller got the request instead

Work = Callable[[], Coroutine[Any, Any, pb.CreateTaskResponse]]


class SlowCreates:
    """The creates that are running in this process, by idempotency key.

    Args:
        guard: Keeps them running when their callers leave.
    """

    def __init__(self, guard: CallGuard) -> None:
        self._guard = guard
        self._running: dict[str, asyncio.Task[pb.CreateTaskResponse]] = {}
        self._metas: collections.OrderedDict[str, bytes] = collections.OrderedDict()

    async def outcome(
        self, key: str, work: Work, seconds: float | None
    ) -> pb.CreateTaskResponse | None:
        """The reply of the create under `key`, which is started unless it runs already.

        Args:
            key: Its idempotency key.
            work: Starts it.
            seconds: How long to wait; None to the end.

        Returns:
            The reply; None if it takes longer.

        Raises:
            ConnectorError: the create failed.
        """
        if key in self._metas:
            return pb.CreateTaskResponse(resource_meta=self._metas[key])
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = self._guard.begin(work())
            task.add_done_callback(partial(self._ended, key))
        limit = None if seconds is None else self._guard.limit(seconds)
        try:
            return await self._guard.finish(task, f"create of {key}")
        except asyncio.CancelledError:
            if limit is None or not limit.expired:
                raise
            task.add_done_callback(partial(self._remember, key))
            return None
        finally:
            if limit is not None:
                limit.end()

    def _ended(self, key: str, _: object) -> None:
        self._running.pop(key, None)

    def _remember(self, key: str, task: asyncio.Task[pb.CreateTaskResponse]) -> None:
        if task.cancelled() or task.exception() is not None:
            return  # whoever asks next starts it again, and is told what is wrong
        self._metas[key] = task.result().resource_meta
        if len(self._metas) > _REMEMBERED:
            self._metas.popitem(last=False)
