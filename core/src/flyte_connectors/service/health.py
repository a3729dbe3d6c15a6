"""Health of the service and of each connector, for `grpc.health.v1.Health`.

    ""                                            all of it; what probes ask for
    flyte_connectors.service.adapter.*_SERVICE    the two services, as ""
    connector/<task type>                         one connector
    plugin/<entry point>                          one plugin that failed to load: NOT_SERVING

A service without any connector is NOT_SERVING.
"""

from __future__ import annotations

from collections.abc import Iterable

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from flyte_connectors._registry.discovery import PluginReport, Status
from flyte_connectors._registry.table import Registry
from flyte_connectors.service.adapter import ASYNC_SERVICE, METADATA_SERVICE

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class ServiceHealth:
    """What the health service answers.

    Attributes:
        servicer: The `grpc.health.v1` servicer; its watches are coroutines that cost nothing while
            nothing changes.
        serving: Whether the service as a whole answers SERVING.
    """

    def __init__(self, registry: Registry, reports: Iterable[PluginReport]) -> None:
        self.servicer = aio.HealthServicer()
        self.serving = False
        self._registry = registry
        self._failed = [report for report in reports if report.status is Status.FAILED]

    async def set_ready(self) -> None:
        """Answer by what has been loaded."""
        connectors = list(self._registry)
        self.serving = bool(connectors)
        for service in ("", ASYNC_SERVICE, METADATA_SERVICE):
            await self.servicer.set(service, SERVING if self.serving else NOT_SERVING)
        for connector in connectors:
            await self.servicer.set(f"connector/{connector.category.name}", SERVING)
        for report in self._failed:
            await self.servicer.set(f"plugin/{report.entry_point}", NOT_SERVING)

    async def set_draining(self) -> None:
        """Answer NOT_SERVING to everything, for good."""
        self.serving = False
        await self.servicer.enter_graceful_shutdown()
