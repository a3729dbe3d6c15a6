"""Our connectors in the official SDK's service, a process of its own."""

# ruff: noqa: ASYNC240 - looking at small files

from __future__ import annotations

import asyncio
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from flyte_connectors import File, NativeInterface, Phase, TaskTemplate
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import execution_of
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.literals_pb2 import Literal

ROOT = pathlib.Path(__file__).parents[2]
START_SECONDS = 50.0
OUTPUTS: dict[str, Any] = {"ratio": float, "file": File, "given": str}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the official service listens."""
    port, metrics_port = _free_port(), _free_port()
    modules = ["tests.official.our_jobs_there"]
    command = [sys.executable, "-m", "tests.backend.official_service", str(port), str(metrics_port)]
    # No call for logs brings secrets along, so the service needs a source of its own.
    environment = os.environ | {"FLYTE_SECRET_THE_KEY": "canary-of-a-secret"}
    log = tmp_path_factory.mktemp("official") / "log"
    with (
        log.open("w") as file,
        subprocess.Popen([*command, *modules], cwd=ROOT, env=environment, stdout=file, stderr=file) as process,
    ):
        yield f"127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
async def service(address: str) -> AsyncIterator[RemoteService]:
    """A client of it, once it answers."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_SECONDS
    async with RemoteService(address) as client:
        while True:
            try:
                await client.list_connectors()
            except ConnectorError:
                assert loop.time() < deadline, "the official service does not answer"
                await asyncio.sleep(0.1)
            else:
                break
        yield client


def request_for(folder: pathlib.Path, *, run: str = "", number: int = 1) -> pb.CreateTaskRequest:
    """A request for `our_file`, with a secret and a config."""
    interface = NativeInterface({"number": int, "file": File}, OUTPUTS)
    task = TaskTemplate("ours", interface, "our_file")
    values = {"number": number, "file": File(path="s3://bucket/in.txt")}
    template = task.to_proto()
    template.custom.update({"folder": str(folder), "secrets": {"api_key": "the-key"}})
    request = pb.CreateTaskRequest(template=template, inputs=task.interface.write_inputs(task.name, values))
    request.connection.secrets["api_key"] = "canary-of-a-secret"
    request.connection.configs["region"] = "europe-1"
    return execution_of(request, run=run)


async def test_what_is_installed_is_listed(service: RemoteService) -> None:
    """By its entry points alone, and what a module offers, besides the official plugins."""
    listed = await service.list_connectors()
    types = {category.name for entry in listed.connectors for category in entry.supported_task_categories}
    assert {"batch_job", "our_file", "our_sync", "bigquery_query_job_task"} <= types


async def test_a_job_lives(service: RemoteService, tmp_path: pathlib.Path) -> None:
    """Inputs, outputs as declared, links, info, secrets and configs, and no secret in a reply."""
    request = request_for(tmp_path)
    meta = (await service.create(request)).resource_meta
    address: dict[str, Any] = {"resource_meta": meta, "task_category": {"name": "our_file"}}
    resource = (await service.get(pb.GetTaskRequest(**address, connection=request.connection))).resource
    assert resource.phase == Phase.SUCCEEDED, resource.message
    outputs = NativeInterface({}, OUTPUTS).read_outputs("ours", resource.outputs)
    assert outputs == {
        "ratio": 3.0,
        "file": File(path="s3://bucket/out.txt"),
        "given": "18 europe-1",
    }
    assert [link.uri for link in resource.log_links] == ["https://example.org/job"]
    assert (resource.custom_info["rows"], resource.message) == (2, "with ***")
    logs = [page async for page in service.get_logs(pb.GetTaskLogsRequest(**address, token="!"))]
    assert [line.message for page in logs for line in page.body.lines] == ["one!"]
    for _ in range(2):
        await service.delete(pb.DeleteTaskRequest(**address, connection=request.connection))
    assert not list(tmp_path.iterdir())


async def test_a_replay_is_the_same_job(service: RemoteService, tmp_path: pathlib.Path) -> None:
    """The key is derived from the execution, as in our own service."""
    for _ in range(2):
        await service.create(request_for(tmp_path, run="same"))
    assert len(list(tmp_path.iterdir())) == 1


async def test_a_lost_job_is_told(service: RemoteService, tmp_path: pathlib.Path) -> None:
    """Faults of `get` are absorbed, as Flyte's back end needs it."""
    meta = (await service.create(request_for(tmp_path))).resource_meta
    next(tmp_path.iterdir()).unlink()
    request = pb.GetTaskRequest(resource_meta=meta, task_category={"name": "our_file"})
    assert (await service.get(request)).resource.phase == Phase.RUNNING


async def test_a_bad_request_is_told(service: RemoteService, tmp_path: pathlib.Path) -> None:
    """In our words, though the official service has one status for everything."""
    with pytest.raises(ConnectorError, match=r"inputs\.number: must not be negative"):
        await service.create(request_for(tmp_path, number=-1))


async def test_a_quick_answer(service: RemoteService) -> None:
    """Of a sync connector, which the official SDK has not got."""
    interface = NativeInterface({"number": int}, {"double": int})
    task = TaskTemplate("double", interface, "our_sync")
    inputs = task.interface.write_inputs(task.name, {"number": 21})
    request = execution_of(pb.CreateTaskRequest(template=task.to_proto(), inputs=inputs))
    meta = (await service.create(request)).resource_meta
    get = pb.GetTaskRequest(resource_meta=meta, task_category={"name": "our_sync"})
    (output,) = (await service.get(get)).resource.outputs.literals
    assert output.value == Literal(scalar={"primitive": {"integer": 42}})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
