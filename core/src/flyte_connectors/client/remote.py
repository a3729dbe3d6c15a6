"""A connector service over gRPC, with the same methods and the same errors as the local dispatcher."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc

from flyte_connectors import errors
from flyte_connectors._dispatch.idempotency import REPEATED

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from typing_extensions import Self

T = TypeVar("T")

CA_VARIABLE = "FLYTE_CONNECTORS_ENDPOINT_CA"
TOKEN_VARIABLE = "FLYTE_CONNECTORS_ENDPOINT_TOKEN"  # noqa: S105  (a name)

_NOT_CONNECTED = "failed to connect to all addresses"  # gRPC's own text: nothing was sent


class RemoteService:
    """A client of `flyteidl2.connector`, usable with `flyte_connectors.client.job_loop.run_job`.

    Args:
        endpoint: `host:port` of the service; `https://host:port` for TLS.
        ca: File of certificates to trust instead of the system's, PEM; implies TLS.
        token: Bearer token to send.
        call_timeout: Seconds that one call may take, except log streams.

    Raises:
        InvalidRequestError: the file can't be read.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        ca: str | None = None,
        token: str | None = None,
        call_timeout: float = 30.0,
    ) -> None:
        self.endpoint = endpoint
        self._timeout = call_timeout
        self._call_metadata = (("authorization", f"Bearer {token}"),) if token else ()
        options = (("grpc.max_receive_message_length", -1),)
        target = endpoint.removeprefix("https://")
        if ca or target != endpoint:
            credentials = grpc.ssl_channel_credentials(_read(ca) if ca else None)
            self._channel = grpc.aio.secure_channel(target, credentials, options=options)
        else:
            self._channel = grpc.aio.insecure_channel(target, options=options)
        self._jobs = service_pb2_grpc.AsyncConnectorServiceStub(self._channel)
        self._metadata = service_pb2_grpc.ConnectorMetadataServiceStub(self._channel)

    @classmethod
    def from_environment(cls, endpoint: str) -> Self:
        """A client that trusts and sends what the environment says.

        `FLYTE_CONNECTORS_ENDPOINT_CA` is a file of certificates, `FLYTE_CONNECTORS_ENDPOINT_TOKEN` a
        bearer token.
        """
        return cls(endpoint, ca=os.environ.get(CA_VARIABLE), token=os.environ.get(TOKEN_VARIABLE))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def create(
        self, request: pb.CreateTaskRequest, timeout: float | None = None, *, again: bool = False
    ) -> pb.CreateTaskResponse:
        """Start a job. Raises ConnectorError.

        Args:
            request: What to start.
            timeout: Seconds that the call may take.
            again: Whether it was sent before, and its outcome is unknown. A connector whose create may not be
                repeated then starts no second job.
        """
        metadata = ((REPEATED, "true"),) if again else ()
        return await self._call(self._jobs.CreateTask, request, timeout, metadata)

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
            async for response in self._jobs.GetTaskLogs(request, metadata=self._call_metadata):
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
        self,
        rpc: Callable[..., Awaitable[T]],
        request: Message,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> T:
        with self._errors():
            seconds = timeout or self._timeout
            return await rpc(request, timeout=seconds, metadata=self._call_metadata + metadata)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            from flyte_connectors._dispatch import error_details  # for calls that fail

            code = error.code().name
            text = error.details() or code
            if code == "RESOURCE_EXHAUSTED" and "larger than max" in text:  # gRPC's own words
                text = f"{text}: raise --max-message-bytes of the service, or pass large data as a File"
                raise errors.InvalidRequestError(text) from None
            trailing = dict(error.trailing_metadata() or ())
            details = trailing.get(error_details.KEY)
            if code == "UNAVAILABLE":
                text = f"connector service at {self.endpoint}: {text}"
            seen = error_details.unpack(code, text, details)
            if details is None and _NOT_CONNECTED in text:
                seen.outcome_unknown = False
            raise seen from None


def _read(ca: str) -> bytes:
    try:
        return pathlib.Path(ca).read_bytes()
    except OSError as error:
        message = f"can't read {ca}: {error.strerror}"
        raise errors.InvalidRequestError(message, field=CA_VARIABLE) from error
