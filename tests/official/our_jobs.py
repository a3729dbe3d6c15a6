"""Connectors of this framework, for the official SDK's service to host."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import Any

from flyte_connectors import (
    AsyncConnector,
    ConnectorRegistry,
    File,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnector,
)
from flyte_connectors.errors import InvalidRequestError
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.logs.dataplane.payload_pb2 import LogLine


@dataclass
class OurJob(ResourceMeta):
    path: str


class OurConnector(AsyncConnector[OurJob]):
    """Its jobs are files named by the key."""

    name = "Our Files"
    task_type_name = "our_file"
    metadata_type = OurJob

    def create(
        self,
        task_template: Any,
        inputs: dict[str, Any],
        idempotency_key: str,
        *,
        api_key: str = "",
        region: str = "",
        **_: Any,
    ) -> OurJob:
        if inputs["number"] < 0:
            raise InvalidRequestError("must not be negative", field="inputs.number")
        assert isinstance(inputs["file"], File)
        path = pathlib.Path(task_template.custom["folder"]) / idempotency_key
        path.write_text(f"{len(api_key)} {region}")
        return OurJob(str(path))

    def get(self, resource_meta: OurJob, *, api_key: str = "", **_: Any) -> Resource:
        given = pathlib.Path(resource_meta.path).read_text()
        return Resource(
            phase=Phase.SUCCEEDED,
            message=f"with {api_key}",
            log_links=[TaskLog(uri="https://example.org/job", name="Job")],
            outputs={"ratio": 3, "file": "s3://bucket/out.txt", "given": given},
            custom_info={"rows": 2},
        )

    def delete(self, resource_meta: OurJob, **_: Any) -> None:
        pathlib.Path(resource_meta.path).unlink(missing_ok=True)

    async def get_logs(self, resource_meta: OurJob, token: str = "", **_: Any) -> Any:
        yield LogLine(message=f"one{token}")


class OurSync(SyncConnector):
    """Doubles a number."""

    name = "Our Sync"
    task_type_name = "our_sync"

    async def do(self, inputs: dict[str, Any], **_: Any) -> Resource:
        return Resource(phase=Phase.SUCCEEDED, outputs={"double": 2 * inputs["number"]})


ConnectorRegistry.register(OurConnector)
ConnectorRegistry.register(OurSync)
