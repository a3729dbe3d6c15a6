"""A connector service over gRPC, with the same face and the same errors as the local dispatcher."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc

from flyte_connectors import errors

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from typing_extensions import Self

T = TypeVar("T")

_BY_CODE: dict[str, type[errors.ConnectorError]] = {
    cls.code: cls
    for cls in (
        errors.InternalError,
        errors.DeadlineExceededError,
        errors.ServiceUnavailableError,
        errors.RateLimitedError,
        errors.ConflictError,
        errors.JobNotFoundError,
        errors.PermissionDeniedError,
        errors.AuthenticationError,
        errors.UnsupportedVerbError,
        errors.InvalidRequestError,
    )
}


class RemoteService:
    """A client of `flyteidl2.connector`, usable with `flyte_connectors.local.run_job`.

    Args:
        endpoint: `host:port` of the service.
        call_timeout: Seconds that one call may take, except log streams.
    """

    def __init__(self, endpoint: str, *, call_timeout: float = 30.0) -> None:
        self.endpoint = endpoint
        self._timeout = call_timeout
        options = (("grpc.max_receive_message_length", -1),)
        self._channel = grpc.aio.insecure_channel(endpoint, options=options)
        self._jobs = service_pb2_grpc.AsyncConnectorServiceStub(self._channel)
        self._metadata = service_pb2_grpc.ConnectorMetadataServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def create(
        self, request: pb.CreateTaskRequest, timeout: float | None = None
    ) -> pb.CreateTaskResponse:
        """Start a job. Raises ConnectorError."""
        return await self._call(self._jobs.CreateTask, request, timeout)

    async def get(
        self, request: pb.GetTaskRequest, timeout: float | None = None
    ) -> pb.GetTaskResponse:
        """Report a job's state. Raises ConnectorError."""
        return await self._call(self._jobs.GetTask, request, timeout)

    async def delete(
        self, request: pb.DeleteTaskRequest, timeout: float | None = None
    ) -> pb.DeleteTaskResponse:
        """Cancel a job. Raises ConnectorError."""
        return await self._call(self._jobs.DeleteTask, request, timeout)

    async def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield `GetTaskLogsResponse` messages. Raises ConnectorError."""
        with self._errors():
            async for response in self._jobs.GetTaskLogs(request):
                yield response

    async def get_metrics(
        self, request: pb.GetTaskMetricsRequest, timeout: float | None = None
    ) -> pb.GetTaskMetricsResponse:
        """Report a job's metrics. Raises ConnectorError."""
        return await self._call(self._jobs.GetTaskMetrics, request, timeout)

    async def list_connectors(self) -> pb.ListConnectorsResponse:
        """What the service hosts. Raises ConnectorError."""
        return await self._call(self._metadata.ListConnectors, pb.ListConnectorsRequest())

    async def _call(
        self, rpc: Callable[..., Awaitable[T]], request: Message, timeout: float | None = None
    ) -> T:
        with self._errors():
            return await rpc(request, timeout=timeout or self._timeout)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            text = error.details() or code
            if code == "RESOURCE_EXHAUSTED" and "larger than max" in text:  # gRPC's own words
                text = f"{text}: raise --max-message-bytes of the service, or pass large data as a File"
                raise errors.InvalidRequestError(text) from None
            if code == "UNAVAILABLE":
                text = f"connector service at {self.endpoint}: {text}"
            raise _BY_CODE.get(code, errors.InternalError)(text) from None
