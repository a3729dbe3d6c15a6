"""Connectors as people write them for the official SDK: their jobs are files in a folder."""

# ruff: noqa: ASYNC240, ASYNC251 - they block, as the official ones do

from __future__ import annotations

import os
import pathlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte.connectors import AsyncConnector, ConnectorRegistry, Resource, ResourceMeta
from flyte.io import DataFrame, File
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskLogsResponseBody
from flyteidl2.core.execution_pb2 import TaskExecution, TaskLog
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FOLDER = "OFFICIAL_JOBS"


class VendorError(Exception):
    """As vendors' clients raise it: with the status of the response."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} from the vendor")
        self.code = code


@dataclass
class FileJob(ResourceMeta):
    path: str


class FileConnector(AsyncConnector[FileJob]):
    """`custom` says what becomes of a job; its file remembers what `create` was given."""

    name = "Official Files"
    task_type_name = "official_file"
    metadata_type = FileJob

    async def create(
        self,
        task_template: Any,
        output_prefix: str,
        inputs: dict[str, Any] | None = None,
        task_execution_metadata: Any = None,
        api_key: str | None = None,
        **kwargs: Any,
    ) -> FileJob:
        assert inputs is not None
        folder = pathlib.Path(os.environ[FOLDER])
        with (folder / "creates").open("a") as creates:
            creates.write(f"{sorted(kwargs)} key {api_key is not None}\n")
        if "status" in inputs:
            raise VendorError(inputs["status"])
        run = task_execution_metadata.task_execution_id.node_execution_id.execution_id.name
        path = folder / run
        path.write_text(f"{type(inputs.get('file')).__module__} {inputs.get('state', 'done')}")
        return FileJob(str(path))

    async def get(self, resource_meta: FileJob, **kwargs: Any) -> Resource:
        path = pathlib.Path(resource_meta.path)
        if not path.exists():
            raise VendorError(404)
        seen, state = path.read_text().split()
        if state == "blocks":
            time.sleep(0.5)
        if state != "done":
            return Resource(phase=TaskExecution.RUNNING, message=f"{state} {sorted(kwargs)}")
        return Resource(
            phase=TaskExecution.SUCCEEDED,
            log_links=[TaskLog(uri="https://example.org/job", name="Job")],
            outputs={
                "seen": seen,
                "ratio": 3,
                "file": File(path="s3://bucket/log.txt"),
                "table": DataFrame(uri="bq://p:d.t"),
                "undeclared": 1,
            },
            custom_info={"rows": 2},
        )

    async def delete(self, resource_meta: FileJob, **kwargs: Any) -> None:
        path = pathlib.Path(resource_meta.path)
        if not path.exists():
            raise VendorError(404)
        path.unlink()


class LoggingConnector(FileConnector):
    """With a log, in the form that is a generator."""

    name = "Official Log"
    task_type_name = "official_log"

    async def get_logs(
        self, resource_meta: FileJob, token: str = "", **kwargs: Any
    ) -> AsyncIterator[GetTaskLogsResponse]:
        assert not kwargs
        for text in ("one", "two"):
            line = LogLine(message=f"{text}{token}")
            yield GetTaskLogsResponse(body=GetTaskLogsResponseBody(lines=[line]))


class OncePerKeyConnector(FileConnector):
    """On its way to this framework: it names `idempotency_key`, so that repeating it is safe."""

    name = "Official, Idempotent"
    task_type_name = "official_idempotent"

    async def create(self, idempotency_key: str, **kwargs: Any) -> FileJob:
        path = pathlib.Path(os.environ[FOLDER]) / idempotency_key
        if not path.exists():
            path.write_text("str done")
            raise VendorError(503)  # the reply is lost; the job is not
        return FileJob(str(path))


ConnectorRegistry.register(FileConnector())
ConnectorRegistry.register(LoggingConnector())
ConnectorRegistry.register(OncePerKeyConnector())
