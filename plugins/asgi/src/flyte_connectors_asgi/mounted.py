"""The service as an ASGI application in another ASGI server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flyte_connectors._registry.discovery import Status, load_plugins
from flyte_connectors._registry.table import Registry, process_registry
from flyte_connectors.errors import ServiceStartError
from flyte_connectors.service.grpcio import interceptors
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings, read_settings

from flyte_connectors_asgi.application import TO_BE_NOTIFIED, GrpcApplication
from flyte_connectors_asgi.context import Send
from flyte_connectors_asgi.messages import Event, Receive

if TYPE_CHECKING:
    import grpc
    from typing_extensions import Self

_TICK = 0.02  # seconds between two looks


class ConnectorApplication:
    """All connectors of a registry, health and reflection included, as an ASGI application.

    It starts and stops with the server's lifespan. Where the lifespan is not passed on, as in applications that mount
    others, use `async with application:` in that one's lifespan. The server has to support HTTP/2 and trailers;
    it has the port, TLS and processes. Tokens, limits and the HTTP port with metrics and probes are as in `serve`.

    Args:
        registry: The connectors; all installed ones, and those that are registered, by default.
        settings: Those of the environment by default.

    Attributes:
        service: The service behind it.

    Raises:
        ServiceStartError: a plugin fails to load, and the settings are not lenient.
        SettingsError: a setting is invalid.
    """

    def __init__(self, registry: Registry | None = None, settings: ServiceSettings | None = None) -> None:
        settings = settings or read_settings({})[0]
        self._transport = _Mounted(settings)
        if registry is None:
            registry = process_registry()
            reports = load_plugins(registry, allow=settings.allow, deny=settings.deny)
            failed = [one for one in reports if one.status is Status.FAILED]
            if failed and not settings.lenient:
                reasons = "; ".join(f"{one.entry_point}: {one.reason}" for one in failed)
                raise ServiceStartError(f"plugins failed to load: {reasons}")
        else:
            reports = []
        self.service = ConnectorService(registry, settings, reports, transport=self._transport)

    async def __aenter__(self) -> Self:
        await self.service.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.service.stop()

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """Answer one request, or the server's lifespan; see the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        application = self._transport.application
        if application is None:
            text = "not started: the server has to support lifespan, or use `async with`"
            raise RuntimeError(text)
        await application(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.service.start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.service.stop()
        await send({"type": "lifespan.shutdown.complete"})


class _Mounted:
    """The transport whose port is the server's business."""

    application: GrpcApplication | None = None

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings

    async def start(self, handlers: Sequence[grpc.GenericRpcHandler]) -> int:
        settings = self._settings
        self.application = GrpcApplication(
            handlers, largest=settings.max_message_bytes, interceptors=interceptors(settings)
        )
        return settings.port

    async def stop(self, grace: float) -> None:
        application = self.application
        if application is None:
            return
        await asyncio.sleep(min(TO_BE_NOTIFIED, grace))
        loop = asyncio.get_running_loop()
        ends = loop.time() + grace
        try:
            while application.waiting and loop.time() < ends:
                application.end_watches()
                await asyncio.sleep(_TICK)
        finally:
            application.end_calls()
