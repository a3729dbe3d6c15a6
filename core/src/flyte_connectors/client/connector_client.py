"""What the job loop drives: the dispatcher of this process, or a remote service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from flyteidl2.connector import connector_pb2 as pb


class ConnectorClient(Protocol):
    """A client that answers the requests of `flyteidl2.connector`."""

    async def create(
        self, request: pb.CreateTaskRequest, timeout: float | None = None, *, again: bool = False
    ) -> pb.CreateTaskResponse:
        """Start a job; `again` if it was sent before, and its outcome is unknown."""
        ...

    async def get(self, request: pb.GetTaskRequest, timeout: float | None = None) -> pb.GetTaskResponse:
        """Report a job's state."""
        ...

    async def delete(self, request: pb.DeleteTaskRequest, timeout: float | None = None) -> pb.DeleteTaskResponse:
        """Cancel a job."""
        ...

    def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield `GetTaskLogsResponse` or `LogLine` messages."""
        ...
