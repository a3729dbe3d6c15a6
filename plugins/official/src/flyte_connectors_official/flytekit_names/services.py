"""flytekit's connector services, to be added to a gRPC server of one's own.

Each answers the messages of Flyte 1 (`flyteidl`) and of Flyte 2 (`flyteidl2`) alike, in the kind that it was asked in,
from the connectors that are registered in this process. TLS, tokens, health, metrics and draining are
`flyte-connectors serve`'s.
"""

# ruff: noqa: ARG002, N802 - the names and arguments are gRPC's

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any

from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry, process_registry
from flyte_connectors.errors import ConnectorNotFoundError
from flyte_connectors.service.adapter import Context, abort
from flyte_connectors.service.calls import Calls
from flyte_connectors.service.settings import ServiceSettings
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors_official.flyte_1.agents import agents_of
from flyte_connectors_official.flyte_1.services import execute_sync


class _Service:
    """What the services share.

    Attributes:
        registry: The connectors of this process.
        dispatcher: Leads to them.
        calls: Those that are being answered.
    """

    def __init__(self) -> None:
        self.registry: Registry = process_registry()
        faults = TransientFaults(lost_after=ServiceSettings().lost_after)
        self.dispatcher = Dispatcher(self.registry, CallGuard(), faults=faults)
        self.calls = Calls()


class AsyncConnectorService(_Service):
    """Starts, polls and deletes the jobs of async connectors."""

    async def CreateTask(self, request: Any, context: Context) -> Any:
        """Start a job."""
        return await _answer(self.dispatcher.create, pb.CreateTaskRequest, request, context)

    async def GetTask(self, request: Any, context: Context) -> Any:
        """Report its state."""
        return await _answer(self.dispatcher.get, pb.GetTaskRequest, request, context)

    async def DeleteTask(self, request: Any, context: Context) -> Any:
        """Cancel it."""
        return await _answer(self.dispatcher.delete, pb.DeleteTaskRequest, request, context)

    async def GetTaskMetrics(self, request: Any, context: Context) -> Any:
        """Report its metrics."""
        return await _answer(self.dispatcher.get_metrics, pb.GetTaskMetricsRequest, request, context)

    async def GetTaskLogs(self, request: Any, context: Context) -> AsyncIterator[Any]:
        """Yield a page of its log."""
        read = pb.GetTaskLogsRequest.FromString(request.SerializeToString())
        try:
            async for item in self.dispatcher.get_logs(read):
                is_line = isinstance(item, LogLine)
                page = pb.GetTaskLogsResponse(body={"lines": [item]}) if is_line else item
                yield _as_asked(request, page)
        except Exception as error:
            await abort(context, error)


class SyncConnectorService(_Service):
    """Answers the tasks of sync connectors at once."""

    async def ExecuteTaskSync(self, request_iterator: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        """Do the work that a header and inputs ask for."""
        async for reply in execute_sync(self, request_iterator, context):
            yield reply


class ConnectorMetadataService(_Service):
    """Lists the connectors, as Flyte 1's agents or as Flyte 2's connectors."""

    async def ListAgents(self, request: Any, context: Context) -> Any:
        """All of them."""
        return _reply_class(request, "ListAgentsResponse")(agents=agents_of(self.registry))

    async def GetAgent(self, request: Any, context: Context) -> Any:
        """The one of a name."""
        for agent in agents_of(self.registry):
            if agent.name == request.name:
                return _reply_class(request, "GetAgentResponse")(agent=agent)
        error = ConnectorNotFoundError(f"no connector is named '{request.name[:100]}'")
        return await abort(context, error)

    async def ListConnectors(self, request: Any, context: Context) -> pb.ListConnectorsResponse:
        """All of them, in Flyte 2's form."""
        return self.dispatcher.list_connectors()

    async def GetConnector(self, request: Any, context: Context) -> Any:
        """The one of a name, in Flyte 2's form."""
        try:
            return pb.GetConnectorResponse(connector=self.dispatcher.get_connector(request.name))
        except ConnectorNotFoundError as error:
            return await abort(context, error)


async def _answer(method: Any, message_class: Any, request: Any, context: Context) -> Any:
    try:
        read = message_class.FromString(request.SerializeToString())
        return _as_asked(request, await method(read, context.time_remaining()))
    except Exception as error:
        return await abort(context, error)


def _as_asked(request: Any, reply: Any) -> Any:
    """The reply in the kind of message that was asked in: both have the same fields under the same numbers."""
    reply_class = _reply_class(request, type(reply).__name__)
    return reply if reply_class is type(reply) else reply_class.FromString(reply.SerializeToString())


def _reply_class(request: Any, name: str) -> Any:
    return getattr(importlib.import_module(type(request).__module__), name)
