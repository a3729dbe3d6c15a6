"""The standard services beside ours: `grpc.health.v1.Health` and server reflection.

The generated code raises while it reads bytes that are not a message; grpcio then answers UNKNOWN and
logs a traceback. Here such bytes are refused as in the other RPCs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import cached_property, partial
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health import aio

from flyte_connectors.service.adapter import Context, Handler, Unary, parse, refuse_unreadable, serialize

_REFLECTION = "grpc.reflection.v1alpha.ServerReflection"


def standard_handlers(servicer: aio.HealthServicer, services: Sequence[str]) -> list[grpc.GenericRpcHandler]:
    """The handlers of both, to be added to a server.

    Args:
        servicer: What the health service answers.
        services: Names of the services that reflection describes besides these.
    """
    checks = {
        "Check": grpc.unary_unary_rpc_method_handler(
            _readable(servicer.Check), **_messages(health_pb2.HealthCheckRequest)
        ),
        "Watch": grpc.unary_stream_rpc_method_handler(
            _readable(servicer.Watch), **_messages(health_pb2.HealthCheckRequest)
        ),
    }
    request = getattr(health_pb2, "HealthListRequest", None)
    if request is not None:  # not in every release of grpcio-health-checking
        listing: Unary = getattr(servicer, "List")  # noqa: B009 - for type checkers
        checks["List"] = grpc.unary_unary_rpc_method_handler(_readable(listing), **_messages(request))
    names = (*services, health.SERVICE_NAME, _REFLECTION)
    return [grpc.method_handlers_generic_handler(health.SERVICE_NAME, checks), _Reflection(names)]


class _Reflection(grpc.GenericRpcHandler):
    """Server reflection, imported when the first client asks for it: most services are never asked."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = services

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of the service's only method."""
        return self._info if handler_call_details.method == f"/{_REFLECTION}/ServerReflectionInfo" else None

    @cached_property
    def _info(self) -> Handler:
        import flyteidl2.connector.service_pb2  # noqa: F401  (the descriptors that it answers with)
        from grpc_reflection.v1alpha import reflection, reflection_pb2

        reflecting = partial(_reflect, reflection.aio.ReflectionServicer(self._services))
        return grpc.stream_stream_rpc_method_handler(reflecting, **_messages(reflection_pb2.ServerReflectionRequest))


def _messages(request: Any) -> dict[str, Callable[..., Any]]:
    return {"request_deserializer": partial(parse, request), "response_serializer": serialize}


def _readable(method: Unary) -> Unary:
    async def rpc(request: Any, context: Context) -> Any:
        if request is None:
            await refuse_unreadable(context)
        return await method(request, context)

    return rpc


async def _reflect(servicer: Any, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
    async def readable() -> AsyncIterator[Any]:
        async for request in requests:
            if request is None:
                await refuse_unreadable(context)
            yield request

    async for reply in servicer.ServerReflectionInfo(readable(), context):
        yield reply
