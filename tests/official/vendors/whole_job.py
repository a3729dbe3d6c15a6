"""A job from its create to its delete, through a service on a real socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from flyte_connectors import NativeInterface, TaskTemplate
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.testing.harness import WIRE, driving, execution_of
from flyteidl2.connector import connector_pb2 as pb
from google.protobuf import json_format

SECONDS = 60.0


def request_for(  # noqa: PLR0913  (a task has these)
    task_type: str,
    custom: Mapping[str, Any],
    *,
    outputs: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    statement: str = "",
    inputs: Mapping[str, Any] | None = None,
) -> pb.CreateTaskRequest:
    """What the back end sends for a task of a type."""
    given = inputs or {}
    interface = NativeInterface({name: type(value) for name, value in given.items()}, outputs or {})
    task = TaskTemplate("hosted", interface, task_type)
    template = task.to_proto()
    template.custom.Clear()
    json_format.ParseDict(dict(custom), template.custom)
    if statement:
        template.sql.statement = statement
    request = pb.CreateTaskRequest(template=template, inputs=interface.write_inputs("hosted", given))
    for name, value in (secrets or {}).items():
        request.connection.secrets[name] = value
    return execution_of(request)


async def whole_job(connector: Any, request: pb.CreateTaskRequest) -> Any:
    """The last state of the job; it is deleted twice afterwards, as a back end may do."""
    async with driving(connector, WIRE) as driver:
        meta = await driver.create(request)
        deadline = time.monotonic() + SECONDS
        while True:
            resource = await driver.get(meta)
            if resource.phase in TERMINAL_PHASES:
                break
            assert time.monotonic() < deadline, f"still in phase {resource.phase}"
            await asyncio.sleep(0.5)
        for _ in range(2):
            await driver.delete(meta)
    return resource
