"""Connectors of flytekit, hosted here: called as flytekit's service does, with flytekit's models."""

# ruff: noqa: ASYNC240 - looking at small files

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from flyte_connectors import DataFrame, NativeInterface, Phase, TaskTemplate
from flyte_connectors._registry.discovery import load_module
from flyte_connectors._registry.table import Registry
from flyte_connectors.testing.harness import DIRECT, WIRE, Driver, driving, execution_of
from flyteidl2.connector import connector_pb2 as pb

from tests.docs.markdown import DOCS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # flytekit's own, when it is imported
    from tests.official import flytekit_jobs
    from tests.official.flytekit_jobs import FOLDER, Doubler, FileConnector, FileJob

SEEDS = DOCS / "seeds.md"
LACKING = """
import importlib
from flyte_connectors_official.flytekit_names.modules import MODULES
for module, names in MODULES.items():
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        found = None
    print(*(f"{module}.{name}" for name in names if not hasattr(found, name)))
"""
OUTPUTS: dict[str, Any] = {"given": str, "ratio": float, "table": DataFrame}

pytestmark = pytest.mark.filterwarnings("ignore")  # flytekit's own, when it is used


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Where the jobs are."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


@pytest.fixture(params=[DIRECT, WIRE])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[Driver]:
    async with driving(FileConnector, request.param) as driver:
        yield driver


def request_for(task_type: str, outputs: dict[str, Any], custom: dict[str, Any], **inputs: Any) -> pb.CreateTaskRequest:
    """A request of a run of its own."""
    interface = NativeInterface({name: type(value) for name, value in inputs.items()}, outputs)
    task = TaskTemplate("flytekit", interface, task_type)
    template = task.to_proto()
    template.custom.update(custom)
    given = task.interface.write_inputs(task.name, inputs)
    return execution_of(pb.CreateTaskRequest(template=template, inputs=given))


async def test_a_job_lives(driver: Driver, folder: pathlib.Path) -> None:
    """Plain functions run in threads; outputs are typed as the task declares them."""
    request = request_for("flytekit_file", OUTPUTS, {"rows": "5"}, state="done")
    request.connection.configs["region"] = "eu"
    meta = await driver.create(request)
    resource = await driver.get(meta)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    outputs = NativeInterface({}, OUTPUTS).read_outputs("flytekit", resource.outputs)
    assert outputs["given"] == "done 5 ['region']"
    assert (outputs["ratio"], type(outputs["ratio"])) == (3.0, float)
    assert outputs["table"].uri == "bq://p:d.t"
    assert [link.uri for link in resource.log_links] == ["https://example.org/job"]
    assert resource.custom_info["rows"] == 2
    await driver.delete(meta)
    assert not list(folder.iterdir())


async def test_its_log_is_passed_on() -> None:
    """In the field of plain texts, which is all that Flyte 1 had."""
    async with driving(FileConnector, WIRE) as driver:
        meta = await driver.create(request_for("flytekit_file", {}, {"rows": "5"}, state="done"))
        request = pb.GetTaskLogsRequest(resource_meta=meta, task_category={"name": "flytekit_file"})
        pages = [page async for page in driver.client.get_logs(request)]
    assert [text for page in pages for text in page.body.results] == ["one", "two"]


async def test_jobs_of_the_official_service_are_polled(driver: Driver, folder: pathlib.Path) -> None:
    """Their meta is bare."""
    (folder / "job").write_text("running")
    assert (await driver.get(FileJob(str(folder / "job")).encode())).phase == Phase.RUNNING


@pytest.mark.parametrize("level", [DIRECT, WIRE])
async def test_a_quick_answer(level: str) -> None:
    """Of a sync connector, by CreateTask and GetTask."""
    async with driving(Doubler, level) as driver:
        meta = await driver.create(request_for("flytekit_double", {"double": int}, {}, number=21))
        resource = await driver.get(meta)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    (output,) = resource.outputs.literals
    assert output.value.scalar.primitive.integer == 42


def test_a_module_is_hosted() -> None:
    """With `serve --module`, as `flytekitplugins.bigquery.connector`, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from flytekitplugins.bigquery import connector

    for module, types in (
        (flytekit_jobs, {"flytekit_file", "flytekit_double"}),
        (connector, {"bigquery_query_job_task"}),
    ):
        hosted = load_module(Registry(), module, module.__name__)
        assert {bound.category.name for bound in hosted} == types


def test_the_documents_list_the_names_that_flytekit_does_not_have() -> None:
    """Of those that stand in for it where it is not installed; `flyte` and it can't both be imported whole."""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", LACKING], check=True, capture_output=True, text=True)
    listed = re.findall(r"^\| `(flytekit\.[\w.]+)` \|", SEEDS.read_text(), re.MULTILINE)
    assert sorted(ended.stdout.split()) == sorted(listed)
