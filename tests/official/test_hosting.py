"""Connectors of the official SDK, hosted here: loaded by discovery, called as the official service does."""

# ruff: noqa: ASYNC240 - looking at small files

from __future__ import annotations

import asyncio
import logging
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from flyte_connectors import DataFrame, File, NativeInterface, Phase, TaskTemplate
from flyte_connectors._registry.discovery import Status, load_module, load_plugins
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import (
    ConnectorError,
    CreateOutcomeUnknownError,
    UnsupportedVerbError,
)
from flyte_connectors.testing.harness import DIRECT, WIRE, Driver, driving, execution_of
from flyteidl2.connector import connector_pb2 as pb

from tests.official import official_jobs
from tests.official.official_jobs import (
    FOLDER,
    FileConnector,
    FileJob,
    LoggingConnector,
    OncePerKeyConnector,
)

OUTPUTS: dict[str, Any] = {"seen": str, "ratio": float, "file": File, "table": DataFrame}


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where the jobs are."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


@pytest.fixture(params=[DIRECT, WIRE])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    async with driving(FileConnector, request.param) as driver:
        yield driver


def request_for(connector: Any, *, outputs: dict[str, Any] = OUTPUTS, **inputs: Any) -> pb.CreateTaskRequest:
    """A request of a run of its own for a connector."""
    interface = NativeInterface({name: type(value) for name, value in inputs.items()}, outputs)
    task = TaskTemplate("official", interface, connector.task_type_name)
    given = task.interface.write_inputs(task.name, inputs)
    return execution_of(pb.CreateTaskRequest(template=task.to_proto(), inputs=given))


async def test_a_job_lives(driver: Driver, folder: pathlib.Path) -> None:
    """Created, polled, succeeded and deleted; its outputs are typed as the task declares them."""
    meta = await driver.create(request_for(FileConnector, file=File(path="s3://bucket/in.txt")))
    resource = await driver.get(meta)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    interface = NativeInterface({}, OUTPUTS)
    outputs = interface.read_outputs("official", resource.outputs)
    assert outputs["seen"].startswith("flyte.io."), "a file reaches it as the SDK's own"
    assert (outputs["ratio"], type(outputs["ratio"])) == (3.0, float)
    assert outputs["file"] == File(path="s3://bucket/log.txt")
    assert outputs["table"].uri == "bq://p:d.t"
    assert [link.uri for link in resource.log_links] == ["https://example.org/job"]
    assert resource.custom_info["rows"] == 2
    (job,) = folder.glob("kit*")
    await driver.delete(meta)
    assert not job.exists()


async def test_a_deleted_job_can_be_deleted(driver: Driver, folder: pathlib.Path) -> None:
    """Though the vendor answers 404, which the connector lets through."""
    meta = await driver.create(request_for(FileConnector))
    for _ in range(2):
        await driver.delete(meta)
    with pytest.raises(ConnectorError) as caught:
        await driver.get(meta)
    assert caught.value.code == "NOT_FOUND"


async def test_secrets_and_configs_are_arguments(driver: Driver, folder: pathlib.Path) -> None:
    """As in the official service; what only this service passes does not reach `**kwargs`."""
    request = request_for(FileConnector, state="running")
    request.connection.secrets["api_key"] = "canary-of-a-secret"
    request.connection.configs["region"] = "eu"
    meta = await driver.create(request)
    assert (folder / "creates").read_text() == "['region'] key True\n"
    assert (await driver.get(meta)).phase == Phase.RUNNING


async def test_jobs_of_the_official_service_are_polled(driver: Driver, folder: pathlib.Path) -> None:
    """Their meta is bare, so each output is typed by itself, as there."""
    (folder / "job").write_text("str done")
    resource = await driver.get(FileJob(str(folder / "job")).encode())
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert {output.name for output in resource.outputs.literals} == {*OUTPUTS, "undeclared"}


async def test_a_meta_of_a_later_release_is_read(folder: pathlib.Path) -> None:
    """The SDK's own `decode` fails for a field that it does not know."""
    (folder / "job").write_text("str running")
    meta = f'{{"path": "{folder / "job"}", "added_later": 1}}'.encode()
    async with driving(FileConnector) as driver:
        assert (await driver.get(meta)).phase == Phase.RUNNING
        with pytest.raises(ConnectorError, match="not a meta of Official Files") as caught:
            await driver.get(b"nonsense")
    assert caught.value.code == "INVALID_ARGUMENT"


async def test_a_bad_request_is_told(driver: Driver) -> None:
    """The vendor's words for a request that it refuses reach the user."""
    with pytest.raises(ConnectorError, match="400 from the vendor") as caught:
        await driver.create(request_for(FileConnector, status=400))
    assert caught.value.code == "INVALID_ARGUMENT"


async def test_a_create_is_not_repeated(folder: pathlib.Path) -> None:
    """Unless it takes an idempotency key, a second try would be a second job."""
    async with driving(FileConnector) as driver:
        with pytest.raises(ConnectorError, match="can't repeat a create") as caught:
            await driver.create(request_for(FileConnector, status=503), timeout=5)
    assert isinstance(caught.value, CreateOutcomeUnknownError)
    assert not caught.value.retryable
    assert "VendorError: 503 from the vendor" in caught.value.message
    assert len((folder / "creates").read_text().splitlines()) == 1


async def test_a_create_with_a_key_is_repeated(folder: pathlib.Path) -> None:
    """The job of the first try is found by the second."""
    async with driving(OncePerKeyConnector, WIRE) as driver:
        await driver.create(request_for(OncePerKeyConnector), timeout=5)
    assert len(list(folder.iterdir())) == 1


async def test_logs_are_passed_on() -> None:
    """By those that have them; others do not claim to."""
    async with driving(LoggingConnector, WIRE) as driver:
        meta = await driver.create(request_for(LoggingConnector))
        assert await driver.log_page(meta) == (["one", "two"], "")
        assert await driver.log_page(meta, "!", 7) == (["one!", "two!"], "")
    async with driving(FileConnector) as driver:
        meta = await driver.create(request_for(FileConnector))
        with pytest.raises(UnsupportedVerbError, match="does not support get_logs"):
            await driver.log_page(meta)


async def test_one_that_blocks_is_isolated(caplog: pytest.LogCaptureFixture) -> None:
    """And named in the log, as any other connector that blocks in `async def`."""
    with caplog.at_level(logging.WARNING):
        async with driving(FileConnector, WIRE) as driver:
            meta = await driver.create(request_for(FileConnector, state="blocks"))
            await asyncio.gather(*(driver.get(meta) for _ in range(2)))
    assert "Official Files blocked the event loop" in caplog.text


def test_a_module_is_hosted() -> None:
    """With `serve --module`: what it registers with the SDK's registry is served here."""
    registry = Registry()
    hosted = load_module(registry, official_jobs, "official_jobs.py")
    types = {bound.category.name for bound in hosted}
    assert types == {"official_file", "official_log", "official_idempotent"}


def test_the_official_plugin_is_loaded_from_its_entry_point() -> None:
    """`flyteplugins-bigquery`, as it is on the package index."""
    reports = load_plugins(Registry(), allow=["flyteplugins-bigquery", "flyte-connectors-official"], deny=())
    (report,) = (report for report in reports if report.distribution == "flyteplugins-bigquery")
    assert report.status is Status.LOADED, report.reason
    (bound,) = report.connectors
    assert bound.category.name == "bigquery_query_job_task"
    assert set(bound.verbs) == {"create", "get", "delete"}
