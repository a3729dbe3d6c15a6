"""Secrets by project and domain: on a real service, a task reads its own project's and no other's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyte_connectors import (
    AsyncConnector,
    NativeInterface,
    Phase,
    Resource,
    ResourceMeta,
    TaskTemplate,
)
from flyte_connectors.testing.harness import execution_of
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc as stubs
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from tests.service.hosting import hosting


class Keys(AsyncConnector[ResourceMeta]):
    """Remembers the secret that each of its verbs was given."""

    name = "Keys"
    task_type_name = "keys"
    metadata_type = ResourceMeta

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    async def create(self, task_template: Any, *, key: str, **kwargs: Any) -> ResourceMeta:
        self.seen.append(f"create {key}")
        return ResourceMeta()

    async def get(self, resource_meta: ResourceMeta, *, key: str, **kwargs: Any) -> Resource:
        self.seen.append(f"get {key}")
        return Resource(Phase.RUNNING)

    async def delete(self, resource_meta: ResourceMeta, *, key: str, **kwargs: Any) -> None:
        self.seen.append(f"delete {key}")

    async def get_logs(self, resource_meta: ResourceMeta, *, key: str, **kwargs: Any) -> Any:
        self.seen.append(f"get_logs {key}")
        yield LogLine(message="line")


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def jobs(keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A service with a secret of this name for each of two projects, and one for itself."""
    for path in ("team-a/production/vendor-key", "team-b/production/vendor-key", "vendor-key"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"key of {path.partition('/')[0]}")
    monkeypatch.setenv("FLYTE_CONNECTORS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("FLYTE_SECRET_VENDOR_KEY", "key of the service")
    async with (
        hosting(connectors=[keys], secrets_by="project") as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        yield stubs.AsyncConnectorServiceStub(channel)


def request(project: str, domain: str, name: str = "vendor-key") -> pb.CreateTaskRequest:
    """What the back end sends for a task of a project that names a secret."""
    template = TaskTemplate("t", NativeInterface(), "keys").to_proto()
    template.custom.update({"secrets": {"key": name}})
    created = execution_of(pb.CreateTaskRequest(template=template))
    run = created.task_execution_metadata.task_execution_id.node_execution_id.execution_id
    run.project, run.domain = project, domain
    return created


async def test_each_project_gets_its_own(jobs: Any, keys: Keys) -> None:
    """In every verb, by the meta alone, which says whose it is."""
    for project in ("team-a", "team-b"):
        keys.seen.clear()
        meta = (await jobs.CreateTask(request(project, "production"))).resource_meta
        about = {"resource_meta": meta, "task_category": {"name": "keys"}}
        await jobs.GetTask(pb.GetTaskRequest(**about))
        [page async for page in jobs.GetTaskLogs(pb.GetTaskLogsRequest(**about))]
        await jobs.DeleteTask(pb.DeleteTaskRequest(**about))
        verbs = ("create", "get", "get_logs", "delete")
        assert keys.seen == [f"{verb} key of {project}" for verb in verbs]


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("team-c", "vendor-key"),
        ("team-a", "../../team-b/production/vendor-key"),
        ("team-a", "team-b/production/vendor-key"),
        ("team-a", "../../vendor-key"),
        ("team-a/../team-b", "vendor-key"),
        ("TEAM-B", "vendor-key"),
        ("..", "vendor-key"),
        ("", "vendor-key"),
    ],
)
async def test_no_other_secret_is_read(jobs: Any, keys: Keys, project: str, name: str) -> None:
    """Neither another project's nor the service's own; nothing is started."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.CreateTask(request(project, "production", name))
    assert refused.value.code() in {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
    }
    assert "key of" not in str(refused.value.details())
    assert keys.seen == []


async def test_what_the_back_end_sends_comes_first(jobs: Any, keys: Keys) -> None:
    """It has looked it up for that user."""
    sent = request("team-c", "production")
    sent.connection.secrets["key"] = "key of a user"
    await jobs.CreateTask(sent)
    assert keys.seen == ["create key of a user"]
