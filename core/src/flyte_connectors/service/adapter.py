"""The RPCs of `flyteidl2.connector`: decode the request, call the `Dispatcher`, encode the reply.

Only this file knows gRPC contexts and status codes. Requests and replies are the messages of
flyteidl2; everything that happens between them is in `flyte_connectors._dispatch.dispatcher`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import grpc
from flyteidl2.connector import connector_pb2 as pb
from google.protobuf.message import DecodeError

from flyte_connectors._calls import context as call_context
from flyte_connectors._calls.guard import unforeseen
from flyte_connectors._calls.texts import shortened_status
from flyte_connectors._dispatch.idempotency import REPEATED
from flyte_connectors.errors import ConnectorError, InvalidRequestError
from flyte_connectors.secrets import redact_error
from flyte_connectors.service.log_batches import log_messages

if TYPE_CHECKING:
    from flyte_connectors._dispatch.dispatcher import Dispatcher
    from flyte_connectors._registry.table import Registry
    from flyte_connectors.service.calls import Calls

ASYNC_SERVICE = "flyteidl2.connector.AsyncConnectorService"
METADATA_SERVICE = "flyteidl2.connector.ConnectorMetadataService"
FLYTE_1_ASYNC_SERVICE = "flyteidl.service.AsyncAgentService"
FLYTE_1_METADATA_SERVICE = "flyteidl.service.AgentMetadataService"

_UNREADABLE = InvalidRequestError("the request can't be parsed")

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[Any]]"
Answer: TypeAlias = "Callable[[Any, float | None], Awaitable[Any]]"
"""Answers a request within so many seconds."""


def answers(dispatcher: Dispatcher) -> dict[str, Answer]:
    """What answers the requests about jobs by their names; `CreateTask again` is for repeated ones."""
    return {
        "CreateTask": dispatcher.create,
        "CreateTask again": partial(dispatcher.create, again=True),
        "GetTask": dispatcher.get,
        "DeleteTask": dispatcher.delete,
    }


def handlers(dispatcher: Dispatcher, calls: Calls, answering: Mapping[str, Answer]) -> grpc.GenericRpcHandler:
    """The handlers of both services, to be added to a server.

    Args:
        dispatcher: Answers the requests.
        calls: Counts those that are being answered.
        answering: See `answers`; it may change while the server runs.
    """
    unary = partial(_unary, dispatcher.registry, calls)
    about_job = partial(unary, answering)

    async def list_connectors(_: pb.ListConnectorsRequest, __: float | None) -> Any:
        return dispatcher.list_connectors()

    async def get_connector(request: pb.GetConnectorRequest, _: float | None) -> Any:
        return pb.GetConnectorResponse(connector=dispatcher.get_connector(request.name))

    other: dict[str, Answer] = {"List": list_connectors, "Get": get_connector, "Metrics": dispatcher.get_metrics}

    async def get_task_logs(request: pb.GetTaskLogsRequest | None, context: Context) -> AsyncIterator[bytes]:
        if request is None:
            await refuse_unreadable(context)
        calls.stream(context)
        try:
            async for message in log_messages(dispatcher.get_logs(request)):
                yield message
        except Exception as error:
            await abort(context, error)

    create_again = about_job("CreateTask again")
    service = {
        "CreateTask": _handler(about_job("CreateTask"), pb.CreateTaskRequest),
        "GetTask": _handler(about_job("GetTask"), pb.GetTaskRequest),
        "DeleteTask": _handler(about_job("DeleteTask"), pb.DeleteTaskRequest),
        "GetTaskMetrics": _handler(unary(other, "Metrics"), pb.GetTaskMetricsRequest),
        "GetTaskLogs": grpc.unary_stream_rpc_method_handler(
            get_task_logs,
            request_deserializer=partial(parse, pb.GetTaskLogsRequest),
            response_serializer=None,  # log_messages serializes
        ),
    }
    metadata = {
        "ListConnectors": _handler(unary(other, "List"), pb.ListConnectorsRequest),
        "GetConnector": _handler(unary(other, "Get"), pb.GetConnectorRequest),
    }
    # The messages of Flyte 1 have the same fields under the same numbers, so its back end is served by
    # the same handlers. Without its `is_sync`, it asks for quick answers by CreateTask and GetTask, too.
    agents = {"ListAgents": metadata["ListConnectors"], "GetAgent": metadata["GetConnector"]}
    services = {
        ASYNC_SERVICE: service,
        METADATA_SERVICE: metadata,
        FLYTE_1_ASYNC_SERVICE: service,
        FLYTE_1_METADATA_SERVICE: agents,
    }
    return _Handlers(services, _handler(create_again, pb.CreateTaskRequest))


class _Handlers(grpc.GenericRpcHandler):
    """The handlers of several services, and one for creates whose client says that it repeats them.

    The metadata that gRPC has already read say so; a handler would read them once more.
    """

    def __init__(self, services: Mapping[str, Mapping[str, Handler]], create_again: Handler) -> None:
        self._create = services[ASYNC_SERVICE]["CreateTask"]
        self._create_again = create_again
        self._handlers = {
            f"/{service}/{method}": handler
            for service, methods in services.items()
            for method, handler in methods.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        handler = self._handlers.get(handler_call_details.method)
        if handler is self._create:
            for key, _ in handler_call_details.invocation_metadata or ():
                if key == REPEATED:
                    return self._create_again
        return handler


def _unary(registry: Registry, calls: Calls, methods: Mapping[str, Answer], name: str) -> Unary:
    begin, end = calls.begin, calls.end

    async def rpc(request: Any, context: Context) -> Any:
        if request is None:
            await refuse_unreadable(context)
        if registry.wrappers:  # only wrappers read it
            call_context.metadata.set(_texts(context.invocation_metadata()))
        begin(context)
        try:
            # Looked up for each request: plugins may wrap it.
            return await methods[name](request, context.time_remaining())
        except Exception as error:
            await abort(context, error)
        finally:
            end(context)

    return rpc


def _texts(pairs: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """The metadata that are text; binary ones end in `-bin` (gRPC over HTTP/2)."""
    return {key: value for key, value in pairs or () if isinstance(value, str)}


def _handler(rpc: Unary, request: Any) -> Handler:
    return grpc.unary_unary_rpc_method_handler(
        rpc, request_deserializer=partial(parse, request), response_serializer=serialize
    )


def parse(message: Any, data: bytes) -> Any:
    """The request in `data`; None if there is none, because grpcio would log a raised error."""
    try:
        return message.FromString(data)
    except DecodeError:
        return None


serialize: Callable[[Any], bytes] = pb.GetTaskResponse.SerializeToString
"""The bytes of any message; a function of Python's around it would cost each call."""


async def refuse_unreadable(context: Context) -> NoReturn:
    """End a call whose request can't be parsed."""
    await abort(context, _UNREADABLE)


async def abort(context: Context, error: Exception) -> NoReturn:
    """End the call with the status of `error`; anything but a ConnectorError is a bug of this service."""
    seen = error if isinstance(error, ConnectorError) else unforeseen(error, "the connector service")
    from flyte_connectors._dispatch import error_details  # for calls that fail

    redact_error(seen)
    trailing = ((error_details.KEY, error_details.pack(seen)),)
    await context.abort(grpc.StatusCode[seen.code], shortened_status(seen.message), trailing)
