"""A connector service over gRPC, with the same methods and the same errors as the local dispatcher."""

from __future__ import annotations

import asyncio
import os
import pathlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc

from flyte_connectors import errors
from flyte_connectors._dispatch.idempotency import REPEATED
from flyte_connectors.client.connection_faults import CA_VARIABLE, find_fault
from flyte_connectors.client.endpoint import Endpoint, parse_endpoint

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from typing_extensions import Self

T = TypeVar("T")

TOKEN_VARIABLE = "FLYTE_CONNECTORS_ENDPOINT_TOKEN"  # noqa: S105  (a name)

_NOT_CONNECTED = "failed to connect to all addresses"  # gRPC's own text: nothing was sent


def _check_process() -> None:
    """Refuse a forked child of a process that has used gRPC: none of gRPC's threads are there.

    Raises:
        InvalidRequestError: this is such a child.
    """
    _processes.append(os.getpid())
    if _processes[0] != _processes[-1]:
        raise errors.InvalidRequestError(
            "gRPC does not work in a process that was forked after it was used: start it by "
            "multiprocessing's 'spawn' or 'forkserver', or call the first task after the fork"
        )
    del _processes[1:]


_processes: list[int] = []
"""The process that has made the first channel."""


class RemoteService:
    """A client of `flyteidl2.connector`, usable with `flyte_connectors.client.job_loop.run_job`.

    Args:
        endpoint: `host:port` of the service; `https://host:port` for TLS.
        ca: File of certificates to trust instead of the system's, PEM; implies TLS.
        token: Bearer token to send.
        call_timeout: Seconds that one call may take, except log streams.

    Raises:
        InvalidRequestError: the endpoint is not of that form, or the file can't be read.
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
        parsed = parse_endpoint(endpoint)
        self._address = parsed._replace(tls=parsed.tls or bool(ca))
        self._ca = _read(ca) if ca else None
        self._timeout = call_timeout
        self._call_metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._channels: dict[asyncio.AbstractEventLoop, _Channel] = {}
        self._was_reached = False

    @classmethod
    def from_environment(cls, endpoint: str) -> Self:
        """A client with the certificates and the token of the environment.

        `FLYTE_CONNECTORS_ENDPOINT_CA` is a file of certificates, `FLYTE_CONNECTORS_ENDPOINT_TOKEN` a
        bearer token.
        """
        return cls(endpoint, ca=os.environ.get(CA_VARIABLE), token=os.environ.get(TOKEN_VARIABLE))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        here = asyncio.get_running_loop()
        for loop, channel in self._channels.items():
            if loop is here:
                await channel.close()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(channel.close(), loop)
                await asyncio.wrap_future(closing)
        self._channels.clear()

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
        return await self._call(self._channel().jobs.CreateTask, request, timeout, metadata)

    async def get(self, request: pb.GetTaskRequest, timeout: float | None = None) -> pb.GetTaskResponse:
        """Report a job's state. Raises ConnectorError."""
        return await self._call(self._channel().jobs.GetTask, request, timeout)

    async def delete(self, request: pb.DeleteTaskRequest, timeout: float | None = None) -> pb.DeleteTaskResponse:
        """Cancel a job. Raises ConnectorError."""
        return await self._call(self._channel().jobs.DeleteTask, request, timeout)

    async def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield `GetTaskLogsResponse` messages. Raises ConnectorError."""
        rpc = self._channel().jobs.GetTaskLogs
        try:
            async for response in rpc(request, metadata=self._call_metadata):
                self._was_reached = True
                yield response
        except grpc.aio.AioRpcError as error:
            raise await self._explained(error) from None

    async def get_metrics(
        self, request: pb.GetTaskMetricsRequest, timeout: float | None = None
    ) -> pb.GetTaskMetricsResponse:
        """Report a job's metrics. Raises ConnectorError."""
        return await self._call(self._channel().jobs.GetTaskMetrics, request, timeout)

    async def list_connectors(self) -> pb.ListConnectorsResponse:
        """What the service hosts. Raises ConnectorError."""
        return await self._call(self._channel().metadata.ListConnectors, pb.ListConnectorsRequest())

    async def _call(
        self,
        rpc: Callable[..., Awaitable[T]],
        request: Message,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> T:
        try:
            reply = await rpc(request, timeout=timeout or self._timeout, metadata=self._call_metadata + metadata)
        except grpc.aio.AioRpcError as error:
            raise await self._explained(error) from None
        self._was_reached = True
        return reply

    def _channel(self) -> _Channel:
        """The channel of the running loop: a channel works on the loop that has made it only."""
        loop = asyncio.get_running_loop()
        channel = self._channels.get(loop)
        if channel is None:
            _check_process()
            for ended in [other for other in self._channels if other.is_closed()]:
                del self._channels[ended]
            channel = self._channels[loop] = _Channel(self._address, self._ca)
        return channel

    async def _explained(self, failed: grpc.aio.AioRpcError) -> errors.ConnectorError:
        """The error of a failed call; it says how to fix it if the caller can."""
        from flyte_connectors._dispatch import error_details  # for calls that fail

        code = failed.code().name
        text = failed.details() or code
        # No dict of it: that of an older grpcio asks for keys, and gets pairs.
        trailers = failed.trailing_metadata() or ()
        found = next((value for key, value in trailers if key == error_details.KEY), None)
        details = found if isinstance(found, bytes) else None
        if code == "RESOURCE_EXHAUSTED" and "larger than max" in text:  # gRPC's own message
            text = f"{text}: raise --max-message-bytes of the service, or pass large data as a File"
            return errors.InvalidRequestError(text)
        if details is None and code == "UNAUTHENTICATED" and _is_of_the_service(text):
            fault = "is refused" if self._call_metadata else "is not set"
            text = f"connector service at {self.endpoint}: {text}; {TOKEN_VARIABLE} {fault}"
        if code == "UNAVAILABLE":
            return await self._unavailable(text, details)
        return error_details.unpack(code, text, details)

    async def _unavailable(self, text: str, details: bytes | None) -> errors.ConnectorError:
        """Whether retrying helps: before the first successful call, the address may be wrong."""
        from flyte_connectors._dispatch import error_details

        fault = await find_fault(self._address, self._ca) if details is None else None
        seen = "can't connect" if _NOT_CONNECTED in text else text
        reason = f"connector service at {self.endpoint}: {fault.reason if fault else seen}"
        if fault and not fault.passes and not self._was_reached:
            return errors.InvalidRequestError(reason)
        error = error_details.unpack("UNAVAILABLE", reason, details)
        if details is None and _NOT_CONNECTED in text:
            error.outcome_unknown = False
        return error


class _Channel:
    """A channel to a service, and what calls it."""

    def __init__(self, address: Endpoint, ca: bytes | None) -> None:
        options = (("grpc.max_receive_message_length", -1),)
        if address.tls:
            credentials = grpc.ssl_channel_credentials(ca)
            channel = grpc.aio.secure_channel(address.target, credentials, options=options)
        else:
            channel = grpc.aio.insecure_channel(address.target, options=options)
        self.close = channel.close
        self.jobs = service_pb2_grpc.AsyncConnectorServiceStub(channel)
        self.metadata = service_pb2_grpc.ConnectorMetadataServiceStub(channel)


def _is_of_the_service(text: str) -> bool:
    """Whether the service, or a proxy before it, refuses the caller; else a connector's vendor does."""
    return "bearer token" in text.lower() or "http2 header" in text


def _read(ca: str) -> bytes:
    try:
        pem = pathlib.Path(ca).read_bytes()
        ssl.create_default_context(cadata=pem.decode() or "\n")
    except OSError as error:  # an SSLError is one, too
        reason = error.strerror or f"no certificates in it: {error}"
        raise errors.InvalidRequestError(f"can't read {ca}: {reason}", field=CA_VARIABLE) from error
    except ValueError as error:
        message = f"can't read {ca}: it is not a PEM file"
        raise errors.InvalidRequestError(message, field=CA_VARIABLE) from error
    return pem
