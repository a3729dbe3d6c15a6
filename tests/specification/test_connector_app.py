"""The page "Connector app": its project, its log, and one connector with the secrets of two users."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flyte_connectors import Phase
from flyte_connectors.errors import AuthenticationError

from tests.fakes.serve_process import serving
from tests.service.client import Client
from tests.specification import pages
from tests.specification.batch_service import batch_service, fetch, submit
from tests.specification.running import create_request, running_on, script, serving_here

PAGE = "connector_app"
ACCOUNTS = {"key-of-alice": "alice", "key-of-bob": "bob"}
RUN = (sys.executable, "-m", "flyte_connectors", "run")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The page's project on disk, without its deployment script."""
    package = tmp_path / "project" / "my_connector"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "connector.py").write_text(pages.source(PAGE, "1_connector"))
    (package / "task.py").write_text(pages.source(PAGE, "2_task"))
    (package.parent / "main.py").write_text(pages.source(PAGE, "3_main"))
    return package.parent


def test_the_main_script_runs_and_prints_the_url_of_its_run(project: Path, tmp_path: Path) -> None:
    """Its connector is the installed plugin of the same task type: `main.py` imports only the task."""
    with script(project / "main.py") as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert output.startswith((tmp_path / "state").as_uri())


def test_the_task_runs_on_a_service_with_the_pages_connector(project: Path, tmp_path: Path) -> None:
    """`run main.py my_batch_job --name hello`, with `serve` in a process of its own."""
    connector = str(project / "my_connector" / "connector.py")
    options = ("--module", connector, "--deny", "flyte-connectors-batch-job")
    with serving(*options, log=tmp_path / "serve.log") as service:
        command = [*RUN, "--endpoint", service.address, "--json", "main.py", "my_batch_job"]
        ran = subprocess.run([*command, "--name", "hello"], cwd=project, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["result"].startswith("output-from-")
    lines = [
        f"[INFO] Job {json.loads(ran.stdout)['result'][12:]} {what}" for what in ("submitted", "started", "finished")
    ]
    assert [line for line in lines if line in ran.stderr] == lines


def test_the_task_runs_in_this_process(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the page's connector imported, which comes before the plugin of the same task type."""
    monkeypatch.syspath_prepend(str(project))
    for name in ("my_connector", "my_connector.connector", "my_connector.task"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import flyte
    import my_connector.connector  # noqa: F401
    from my_connector.task import BatchJobConfig, BatchJobTask

    task = BatchJobTask("my_batch_job", BatchJobConfig(60), {"name": str}, {"result": str})
    environment = flyte.TaskEnvironment.from_task("batch-job-env", task)
    result = flyte.run(environment.tasks["my_batch_job"], name="hello")
    assert result.phase == Phase.SUCCEEDED
    assert result.outputs().startswith("output-from-")
    assert result.url


async def test_the_log_comes_in_two_pages(load: Any) -> None:
    """The first page ends with the token of the second, and the second with none."""
    page = load(PAGE, "1_connector", "2_task")
    task = page.BatchJobTask("my_batch_job", page.BatchJobConfig(), {"name": str}, {"result": str})
    async with serving_here(page.BatchJobConnector) as address, Client(address) as client:
        job = await client.send(create_request(task, name="hello"))
        first, token = await job.page()
        last, end = await job.page(token=token)
        unknown, _ = await job.page(token="no-such-page")
    assert [line.split()[-1] for line in first + last] == ["submitted", "started", "finished"]
    assert (len(first), token, end, unknown) == (2, "page-2", "", [])


@pytest.fixture
async def users(load: Any) -> AsyncIterator[ModuleType]:
    """The page's per-user part, with a batch service that knows alice and bob."""
    blocks = ("2_task", "4_secret_task", "1_connector", "5_secret_connector")
    with batch_service(ACCOUNTS) as url:
        page = load(PAGE, *blocks, service=url)
        page.submit, page.fetch = submit, fetch
        yield page


def _tasks(page: ModuleType) -> tuple[Any, Any]:
    """Alice's task and bob's: each defines `batch_job` in a workflow of their own."""
    alice, bob = pages.source(PAGE, "6_users").split("# bob's workflow")
    defined = []
    for workflow in (alice, bob):
        scope = dict(vars(page))
        exec(workflow, scope)
        defined.append(scope["batch_job"])
    return defined[0], defined[1]


@pytest.mark.parametrize("place", ["local", "service"])
async def test_two_users_at_once_each_use_their_own_secret(
    place: str, users: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten jobs of one connector, interleaved; the service knows the secrets by name."""
    monkeypatch.setenv("FLYTE_SECRET_ALICE_API_KEY", "key-of-alice")
    monkeypatch.setenv("FLYTE_SECRET_BOB_API_KEY", "key-of-bob")
    alice, bob = _tasks(users)
    async with running_on(place, users.BatchJobConnector):
        ran = [task.execute(name=f"job {number}") for number in range(5) for task in (alice, bob)]
        results = await asyncio.gather(*ran)
    expected = [f"job {number} for {user}" for number in range(5) for user in ("alice", "bob")]
    assert results == expected


async def test_the_back_end_may_send_the_values_itself(users: ModuleType) -> None:
    """Resolved into the connection of each call, by keyword argument; nobody reads the other's job."""
    async with serving_here(users.BatchJobConnector) as address, Client(address) as client:
        jobs = {}
        for task, key in zip(_tasks(users), ACCOUNTS, strict=True):
            request = create_request(task, name="report")
            request.connection.secrets["api_key"] = key
            jobs[key] = await client.send(request)
            assert key.encode() not in jobs[key].meta
        for key, job in jobs.items():
            connection = {"secrets": {"api_key": key}}
            resource = await job.get(connection=connection)
            result = resource.outputs.literals[0].value.scalar.primitive.string_value
            assert result == f"report for {ACCOUNTS[key]}"


@pytest.mark.parametrize("place", ["local", "service"])
async def test_a_secret_that_nobody_has_is_named(place: str, users: ModuleType) -> None:
    """With the ways to provide it."""
    alice, _ = _tasks(users)
    async with running_on(place, users.BatchJobConnector):
        with pytest.raises(AuthenticationError, match="secret 'alice-api-key' was not sent"):
            await alice.execute(name="report")
