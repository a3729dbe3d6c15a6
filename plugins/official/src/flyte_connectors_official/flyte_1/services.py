"""The handlers of Flyte 1's services: quick answers in one stream, and agents with `is_sync`.

Flyte 1 sends the tasks of a connector that is listed as `is_sync` by ExecuteTaskSync: a header, then the inputs.
Here that is a create whose result is asked for at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from flyte_connectors.errors import (
    ConnectorNotFoundError,
    InvalidRequestError,
    UnsupportedVerbError,
)
from flyte_connectors.service.adapter import abort, parse, serialize
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors_official.flyte_1.agents import agents_of
from flyte_connectors_official.flyte_1.messages import METADATA_SERVICE, SYNC_SERVICE, message

if TYPE_CHECKING:
    from flyte_connectors._dispatch.dispatcher import Dispatcher
    from flyte_connectors._registry.table import Registry
    from flyte_connectors.bound import BoundConnector
    from flyte_connectors.service.adapter import Context
    from flyte_connectors.service.calls import Calls
    from flyte_connectors.service.server import ConnectorService


class Answering(Protocol):
    """What answers: a whole service, or one of flytekit's."""

    calls: Calls
    registry: Registry
    dispatcher: Dispatcher


def grpc_services(
    service: ConnectorService,
) -> Mapping[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]]:
    """See `flyte_connectors.hookspecs.grpc_services`."""
    execute = grpc.stream_stream_rpc_method_handler(
        partial(execute_sync, service),
        request_deserializer=partial(parse, message("ExecuteTaskSyncRequest")),
        response_serializer=serialize,
    )
    return {
        SYNC_SERVICE: {"ExecuteTaskSync": execute},
        METADATA_SERVICE: {
            "ListAgents": _unary(partial(_list_agents, service), pb.ListConnectorsRequest),
            "GetAgent": _unary(partial(_get_agent, service), pb.GetConnectorRequest),
        },
    }


def _unary(method: Any, request: Any) -> grpc.RpcMethodHandler[Any, Any]:
    return grpc.unary_unary_rpc_method_handler(
        method, request_deserializer=partial(parse, request), response_serializer=serialize
    )


async def execute_sync(service: Answering, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
    """Answer a stream of a header and inputs with what the sync connector says."""
    service.calls.begin(context)
    try:
        request = await _read(requests)
        template = request.template
        _check_sync(service.registry.find(template.type, template.task_type_version))
        created = await service.dispatcher.create(request, context.time_remaining())
        get = pb.GetTaskRequest(resource_meta=created.resource_meta)
        get.task_category.name = template.type
        get.task_category.version = template.task_type_version
        get.output_prefix = request.output_prefix
        resource = (await service.dispatcher.get(get, context.time_remaining())).resource
        reply = message("ExecuteTaskSyncResponse")()
        reply.header.resource.ParseFromString(resource.SerializeToString())
        yield reply
    except Exception as error:
        await abort(context, error)
    finally:
        service.calls.end(context)


def _check_sync(connector: BoundConnector) -> None:
    if not connector.is_sync:
        text = f"task type {connector.category} is asynchronous: call CreateTask of AsyncAgentService"
        raise UnsupportedVerbError(text)


async def _read(requests: AsyncIterator[Any]) -> pb.CreateTaskRequest:
    """The request that a stream holds: its header, and the inputs if there are any.

    Raises:
        InvalidRequestError: the stream holds anything else.
    """
    found = pb.CreateTaskRequest()
    expected = "header"
    async for part in requests:
        if part is None or (kind := part.WhichOneof("part")) != expected:
            break
        if kind == "inputs":
            found.inputs.ParseFromString(part.inputs.SerializeToString())
            return found  # some clients leave the stream open until they have the answer
        expected = "inputs"
        header = part.header
        found.template.ParseFromString(header.template.SerializeToString())
        found.output_prefix = header.output_prefix
        metadata = header.task_execution_metadata.SerializeToString()
        found.task_execution_metadata.ParseFromString(metadata)
    else:
        if expected == "inputs":
            return found  # a task without inputs
    message = "send the header, then the inputs"
    raise InvalidRequestError(message, field="ExecuteTaskSyncRequest")


async def _list_agents(service: ConnectorService, request: Any, context: Context) -> Any:
    if request is None:
        await abort(context, InvalidRequestError("the request can't be parsed"))
    return message("ListAgentsResponse")(agents=agents_of(service.registry))


async def _get_agent(service: ConnectorService, request: Any, context: Context) -> Any:
    if request is None:
        await abort(context, InvalidRequestError("the request can't be parsed"))
    agents = {agent.name: agent for agent in agents_of(service.registry)}
    if request.name not in agents:
        text = f"no connector is named '{request.name[:100]}'; known: {', '.join(sorted(agents))}"
        await abort(context, ConnectorNotFoundError(text))
    return message("GetAgentResponse")(agent=agents[request.name])
