"""A started job, as the job loop keeps it."""

from __future__ import annotations

import functools
import sys
from typing import NamedTuple, TypeVar

from flyteidl2.connector import connector_pb2 as pb

AnyRequest = TypeVar("AnyRequest", pb.GetTaskRequest, pb.DeleteTaskRequest, pb.GetTaskLogsRequest)


class Job(NamedTuple):
    """What polling a job takes, kept small: a process may follow a hundred thousand jobs."""

    name: str
    execution: bytes
    category: tuple[str, int]
    meta: bytes
    output_prefix: str
    connection: bytes | None

    @classmethod
    def of(cls, request: pb.CreateTaskRequest, meta: bytes) -> Job:
        """The job that `request` has started."""
        template = request.template
        connected = request.HasField("connection")
        return cls(
            name=sys.intern(template.id.name),
            execution=request.task_execution_metadata.task_execution_id.SerializeToString(),
            category=_category(template.type, template.task_type_version),
            meta=meta,
            output_prefix=request.output_prefix,
            connection=request.connection.SerializeToString() if connected else None,
        )

    def fill(self, request: AnyRequest) -> AnyRequest:
        """`request`, about this job."""
        request.resource_meta = self.meta
        request.task_category.name, request.task_category.version = self.category
        if self.connection is not None and not isinstance(request, pb.GetTaskLogsRequest):
            request.connection.ParseFromString(self.connection)
        return request

    def request(self) -> pb.CreateTaskRequest:
        """A request that identifies the job, for its record."""
        request = pb.CreateTaskRequest()
        request.template.id.name = self.name
        request.template.type, request.template.task_type_version = self.category
        request.task_execution_metadata.task_execution_id.ParseFromString(self.execution)
        return request


@functools.lru_cache(maxsize=256)
def _category(name: str, version: int) -> tuple[str, int]:
    """One tuple for all jobs of a type."""
    return name, version
