"""The transport by grpcio: `grpc.aio.Server`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import grpc

from flyte_connectors.errors import ServiceStartError
from flyte_connectors.service.calls import Calls
from flyte_connectors.service.settings import ServiceSettings, address_of

_LAST_STEPS_SECONDS = 1.0


class GrpcioTransport:
    """See `flyte_connectors.service.transport.Transport`."""

    def __init__(self, settings: ServiceSettings, calls: Calls, *, shared_port: bool) -> None:
        self._settings = settings
        self._calls = calls
        self._shared_port = shared_port
        self._port = 0
        self._server: grpc.aio.Server | None = None

    async def start(self, handlers: Sequence[grpc.GenericRpcHandler]) -> int:
        """Listen; see `Transport`."""
        settings = self._settings
        options = _options(settings, shared=self._shared_port)
        server = grpc.aio.server(interceptors=interceptors(settings), options=options)
        server.add_generic_rpc_handlers(tuple(handlers))
        self._port = _bind(server, settings)
        await server.start()
        self._server = server
        return self._port

    async def stop(self, grace: float) -> None:
        """Shut down gracefully; see `Transport`."""
        if self._server is not None:
            from flyte_connectors.service.connections import Connections
            from flyte_connectors.service.drain import stop_gracefully

            await stop_gracefully(self._server, self._calls, Connections(self._port), grace)
            await _last_steps()


async def _last_steps() -> None:
    """Wait for tasks of grpc whose calls have ended; if cancelled, they log that as an error."""
    tasks = [one for one in asyncio.all_tasks() if "_schedule_rpc_coro" in repr(one.get_coro())]
    if tasks:
        await asyncio.wait(tasks, timeout=_LAST_STEPS_SECONDS)


def interceptors(settings: ServiceSettings) -> list[grpc.aio.ServerInterceptor]:
    """What sees the calls before their handlers do.

    Raises:
        SettingsError: the token file can't be read.
    """
    if settings.auth_token_file is None:
        return []
    from flyte_connectors.service.auth import BearerAuth  # only with tokens

    return [BearerAuth(settings.auth_token_file)]


def _bind(server: grpc.aio.Server, settings: ServiceSettings) -> int:
    address = address_of(settings.host, settings.port)
    with contextlib.suppress(RuntimeError):
        if settings.tls_cert is None:
            return server.add_insecure_port(address)
        from flyte_connectors.service.tls import server_credentials  # only with a certificate

        return server.add_secure_port(address, server_credentials(settings))
    raise ServiceStartError(f"can't listen on {address}: the port is in use or not allowed")


def _options(settings: ServiceSettings, *, shared: bool) -> Sequence[tuple[str, int]]:
    """Channel arguments; see grpc/impl/channel_arg_names.h for each."""
    return (
        ("grpc.so_reuseport", int(shared)),  # else a second service on the port is refused
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Flyte's client pings every 30 s, also while a log stream is quiet.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
    )
