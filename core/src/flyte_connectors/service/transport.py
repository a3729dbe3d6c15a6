"""What brings calls to the handlers of the service: grpcio, or what a plugin of this kind brings.

A transport is an entry point of the group `flyte.connectors.transports`; `--transport` names it. Its object is called
with the settings, the service's `Calls` and `shared_port`, and returns a `Transport`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import grpc

from flyte_connectors._registry.installed import installed_plugins
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.calls import Calls
from flyte_connectors.service.grpcio import GrpcioTransport
from flyte_connectors.service.settings import ServiceSettings, flag_of

GROUP = "flyte.connectors.transports"
GRPCIO = "grpcio"


class Transport(Protocol):
    """Listens, brings calls to their handlers, and ends them."""

    async def start(self, handlers: Sequence[grpc.GenericRpcHandler]) -> int:
        """Listen, and have each call answered by the first handler that knows its method.

        Returns:
            The port.

        Raises:
            ServiceStartError: it is in use.
            SettingsError: a certificate or token file can't be read.
        """
        ...

    async def stop(self, grace: float) -> None:
        """Refuse new calls, and answer those received.

        Args:
            grace: Seconds after which calls that have not ended are cancelled. If this is cancelled, they are
                cancelled at once.
        """
        ...


def transport_for(settings: ServiceSettings, calls: Calls, *, shared_port: bool) -> Transport:
    """The transport that the settings name.

    Raises:
        SettingsError: it is not installed.
    """
    name = settings.transport
    factory = GrpcioTransport if name == GRPCIO else installed_transport(name)
    transport: Transport = factory(settings, calls, shared_port=shared_port)
    return transport


def installed_transport(name: str) -> Any:
    """What makes a transport of a plugin.

    Raises:
        SettingsError: it is not installed.
    """
    found = {point.name: point for point in installed_plugins(GROUP)}
    if name not in found:
        known = ", ".join(sorted({GRPCIO, *found}))
        way = "asgi comes with flyte-connectors[fast], for Python 3.11 and later"
        text = f"unknown transport '{name}'; available: {known}; {way}"
        raise SettingsError(text, field=flag_of("transport"))
    return found[name].load()
