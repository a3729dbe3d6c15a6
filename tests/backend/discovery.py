"""Discovery: the `ListConnectors` poll that decides which task types a service is good for.

Source: `connector/client.go` (`updateRegistry`) of Flyte's back end. The registry is built anew
each time: a service that hangs or errs loses its types until the next poll.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

if TYPE_CHECKING:
    from .service_client import ServiceClient


class Discovery:
    """Polls one service.

    Attributes:
        polls: How often it was asked.
        vanished: How often the answer lacked the task type.
    """

    def __init__(self, client: ServiceClient, task_type: str) -> None:
        self.polls = 0
        self.vanished = 0
        self._client = client
        self._task_type = task_type

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self.polls += 1
            try:
                known = await self._client.task_types()
            except grpc.aio.AioRpcError:
                known = set()
            self.vanished += self._task_type not in known
            await asyncio.sleep(self._client.timings.discovery)
