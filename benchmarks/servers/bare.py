"""The limit: grpc.aio and flyteidl2, with everything that the trivial connector does done by hand.

    python bare.py PORT

No routing, no metadata type, no metrics, no error mapping: what remains is the transport, parsing
the request, and building and serialising the reply.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import grpc
import grpc.aio
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    DeleteTaskResponse,
    GetTaskLogsRequest,
    GetTaskLogsResponse,
    GetTaskRequest,
    GetTaskResponse,
)
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.logs.dataplane.payload_pb2 import LogLineOriginator
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "flyteidl2.connector.AsyncConnectorService"
BLOCK_SECONDS = 0.2
LINES_PER_MESSAGE = 1000
USER = LogLineOriginator.USER


async def create_task(request: CreateTaskRequest, _: object) -> CreateTaskResponse:
    """Convert the three inputs; put the state into the meta."""
    inputs = {each.name: each.value.scalar.primitive for each in request.inputs.literals}
    state, rows = inputs["state"].string_value, inputs["rows"].integer
    if inputs["ratio"].float_value != 0.5:
        message = "the inputs differ from what the benchmark sends"
        raise ValueError(message)
    if request.template.type == "benchmark_blocking":
        await asyncio.to_thread(time.sleep, BLOCK_SECONDS)
    return CreateTaskResponse(resource_meta=f'{{"job_id": "{state}-{rows}"}}'.encode())


async def get_task(request: GetTaskRequest, _: object) -> GetTaskResponse:
    """RUNNING, or SUCCEEDED with three outputs."""
    response = GetTaskResponse()
    resource = response.resource
    if b"running" in request.resource_meta:
        resource.phase = TaskExecution.RUNNING
        return response
    resource.phase = TaskExecution.SUCCEEDED
    # Filled in place: three times as fast as nesting constructors.
    add = resource.outputs.literals.add
    add(name="rows").value.scalar.primitive.integer = 1000
    add(name="mean").value.scalar.primitive.float_value = 0.5
    add(name="table").value.scalar.primitive.string_value = "s3://bucket/table"
    return response


async def delete_task(_request: DeleteTaskRequest, _: object) -> DeleteTaskResponse:
    """Nothing to cancel."""
    return DeleteTaskResponse()


async def get_task_logs(request: GetTaskLogsRequest, _: object) -> AsyncIterator[bytes]:
    """Serialised messages: 10,000 new lines, or 1,000,000 by one message made beforehand."""
    if b"lines" in request.resource_meta:
        for start in range(0, 10_000, LINES_PER_MESSAGE):
            yield _log_lines(start)
    else:
        same = _log_lines(0)
        for _batch in range(1_000_000 // LINES_PER_MESSAGE):
            yield same


def _log_lines(start: int) -> bytes:
    response = GetTaskLogsResponse()
    add = response.body.lines.add
    for number in range(start, start + LINES_PER_MESSAGE):
        add(message=f"line {number}", originator=USER)
    serialised: bytes = response.SerializeToString()
    return serialised


def handler() -> grpc.GenericRpcHandler:
    """The methods of the service, with what reads their requests and writes their replies."""
    unary = grpc.unary_unary_rpc_method_handler
    methods = {
        "CreateTask": unary(create_task, CreateTaskRequest.FromString, CreateTaskResponse.SerializeToString),
        "GetTask": unary(get_task, GetTaskRequest.FromString, GetTaskResponse.SerializeToString),
        "DeleteTask": unary(delete_task, DeleteTaskRequest.FromString, DeleteTaskResponse.SerializeToString),
        "GetTaskLogs": grpc.unary_stream_rpc_method_handler(get_task_logs, GetTaskLogsRequest.FromString),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


async def main(port: int) -> None:
    """Serve on 127.0.0.1 until the process is ended."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([handler()])
    servicer = health.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
