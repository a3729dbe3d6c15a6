"""The executor: takes tasks from launch to their end, and may crash on the way.

Source: `webapi/core.go` (`Handle`, `Abort`) and `executor/` of Flyte's back end. A crash loses
everything but the written state; what was in flight is cancelled, and the next executor begins
from there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

from .cache import Cache, Item
from .monitor import Next, judge
from .task import Outcome, State, Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .launcher import Launcher
    from .service_client import ServiceClient

MAX_RETRIES = 3
MAX_ABORTS = 20
"""The back end tries for ever; the model stops here and calls the action undeletable."""


class Executor:
    """Runs tasks against one connector service.

    Args:
        in_flight: Tasks that run at a time.

    Attributes:
        retries: Attempts that failed and were followed by another.
        crashes: How often the executor has crashed.
        interrupted: Creates that a crash has cut off.
    """

    def __init__(self, client: ServiceClient, launcher: Launcher, *, in_flight: int = 200) -> None:
        self.retries = 0
        self.crashes = 0
        self.interrupted = 0
        self._client = client
        self._launcher = launcher
        self._slots = asyncio.Semaphore(in_flight)
        self._cache = Cache(client)
        self._reading: asyncio.Task[None] | None = None
        self._rounds: set[asyncio.Task[None]] = set()

    async def run(self, tasks: Iterable[Task]) -> None:
        """Run the tasks to their end."""
        self._start()
        try:
            await asyncio.gather(*(self._drive(task) for task in tasks))
        finally:
            self._stop()

    def crash(self) -> None:
        """Die and come back."""
        self.crashes += 1
        self._stop()
        self._cache = Cache(self._client)
        self._start()

    def _start(self) -> None:
        self._reading = asyncio.create_task(self._cache.run())

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        for work in self._rounds:
            work.cancel()

    async def _drive(self, task: Task) -> None:
        """Handle a task until it has ended, across crashes."""
        async with self._slots:
            while task.outcome is Outcome.UNFINISHED:
                work = asyncio.create_task(self._handle(task))
                self._rounds.add(work)
                await asyncio.wait([work])
                self._rounds.discard(work)
                if not work.cancelled():
                    work.result()

    async def _handle(self, task: Task) -> None:
        """Take the current attempt from its written state to its end."""
        if task.state.resource_meta is None and not await self._launch(task):
            await self._retry(task)
            return
        item = self._cache.add(task)
        try:
            verdict = await asyncio.wait_for(self._watch(item), task.aborts_after)
        except asyncio.TimeoutError:
            task.outcome = await self._abort(task)
            return
        finally:
            self._cache.drop(task)
        failed = verdict in {Next.RETRY, Outcome.FAILED}
        if failed and await self._abort(task) is Outcome.UNDELETABLE:
            task.outcome = Outcome.UNDELETABLE
            return
        if isinstance(verdict, Next):
            await self._retry(task)
        else:
            task.outcome = _as_expected(task, verdict)

    async def _launch(self, task: Task) -> bool:
        try:
            return await self._launcher.launch(task)
        except asyncio.CancelledError:
            self.interrupted += 1
            raise

    async def _watch(self, item: Item) -> Next | Outcome:
        while (verdict := judge(item)) is Next.WAIT:
            await item.news.wait()
            item.news.clear()
        return verdict

    async def _retry(self, task: Task) -> None:
        if task.state.attempt == MAX_RETRIES:
            task.outcome = _as_expected(task, Outcome.FAILED)
            return
        self.retries += 1
        task.state = State(attempt=task.state.attempt + 1)
        await asyncio.sleep(self._client.timings.poll)

    async def _abort(self, task: Task) -> Outcome:
        for _ in range(MAX_ABORTS):
            if await self._delete(task):
                return Outcome.ABORTED
            await asyncio.sleep(self._client.timings.poll)
        return Outcome.UNDELETABLE

    async def _delete(self, task: Task) -> bool:
        try:
            await self._client.call("DeleteTask", task.delete_request())
        except grpc.aio.AioRpcError:
            return False
        return True


def _as_expected(task: Task, outcome: Outcome) -> Outcome:
    """Right for a task that the vendor refuses and that failed."""
    return Outcome.RIGHT if task.refused and outcome is Outcome.FAILED else outcome
