"""The launcher: one `CreateTask` per attempt.

Source: `webapi/launcher.go` of Flyte's back end. Any error at all is a retryable failure of the
user's task. What the call returns counts only once it is written down: an executor that dies before
that sends the same `task_execution_id` again.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from .service_client import ServiceClient
    from .task import Task


class Launcher:
    """Launches attempts.

    Args:
        cancelling: Share of the calls that the client cancels midway and sends again, as an
            executor does that loses and regains its lease.
    """

    def __init__(self, client: ServiceClient, seed: int, *, cancelling: float = 0.0) -> None:
        self._client = client
        self._draw = random.Random(seed)
        self._cancelling = cancelling

    async def launch(self, task: Task) -> bool:
        """Start the current attempt; False if it failed, which burns a retry."""
        request = task.create_request(self._draw)
        while self._draw.random() < self._cancelling:
            await self._cancelled(request)
        try:
            reply = await self._client.call("CreateTask", request)
        except grpc.aio.AioRpcError:
            return False
        await asyncio.sleep(self._client.timings.persist)
        task.state.resource_meta = reply.resource_meta
        task.handles.add(task.state.attempt)
        return True

    async def _cancelled(self, request: object) -> None:
        """Send the request, then lose interest within a few milliseconds."""
        call = asyncio.ensure_future(self._client.call("CreateTask", request))
        await asyncio.wait([call], timeout=self._draw.uniform(0, 0.02))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
