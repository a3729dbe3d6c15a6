"""The time limits of tasks, which Flyte's back end does not enforce for connectors (flyteorg/flyte#7901).

The deadline is sealed into the meta when the job is created, so any replica can enforce it: a job that still
runs then is cancelled, and FAILED. Polls do that; between polls, a timer of each replica that has
met the job. Timers are not needed for correctness, so they end with their process, and do not hold secrets that
came with a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.core.tasks_pb2 import TaskTemplate

from flyte_connectors._dispatch.envelope import Envelope

_TIMERS = 5_000
_CALL_SECONDS = 30.0


def limit_of(template: TaskTemplate) -> tuple[float, float] | None:
    """The seconds that a task's job may take, and when they end; None without a limit."""
    metadata = template.metadata
    if not (metadata.HasField("timeout") or metadata.HasField("timeouts")):
        return None
    given = (limit.seconds + limit.nanos / 1e9 for limit in (metadata.timeout, metadata.timeouts.deadline))
    seconds = min((limit for limit in given if limit > 0), default=0.0)
    return (seconds, time.time() + seconds) if seconds else None


def is_over(envelope: Envelope) -> bool:
    """Whether the time limit of a job has passed."""
    return envelope.limit is not None and time.time() > envelope.limit[1]


def write_exceeded(envelope: Envelope, resource: pb.Resource) -> None:
    """Fill `resource` for a job that was cancelled because its time limit has passed."""
    seconds = envelope.limit[0] if envelope.limit else 0.0
    text = f"the job exceeded the task's time limit of {seconds:g} s and was cancelled"
    resource.CopyFrom(pb.Resource(phase=TaskExecution.FAILED, message=text))


class Timers:
    """Ends jobs whose time limit passes between two polls.

    Args:
        poll: What GetTask does.
    """

    def __init__(self, poll: Callable[[pb.GetTaskRequest, float], Awaitable[pb.GetTaskResponse]]) -> None:
        self._poll = poll
        self._tasks: dict[bytes, asyncio.Future[None]] = {}

    def start(self, request: pb.GetTaskRequest, envelope: Envelope) -> None:
        """Poll a job once more when its time limit has passed."""
        meta = request.resource_meta
        if envelope.limit is None or meta in self._tasks or len(self._tasks) >= _TIMERS:
            return
        without = pb.GetTaskRequest(resource_meta=meta, task_category=request.task_category)
        self._tasks[meta] = asyncio.ensure_future(self._end(without, envelope.limit[1]))

    def stop(self, meta: bytes) -> None:
        """Forget a job that has ended."""
        task = self._tasks.pop(meta, None)
        if task is not None:
            task.cancel()

    async def _end(self, request: pb.GetTaskRequest, deadline: float) -> None:
        # Sleeps may be too short by the resolution of the clock.
        await asyncio.sleep(max(deadline - time.time(), 0) + 0.05)
        with contextlib.suppress(Exception):  # the next poll reports it
            await self._poll(request, _CALL_SECONDS)
        self._tasks.pop(request.resource_meta, None)
