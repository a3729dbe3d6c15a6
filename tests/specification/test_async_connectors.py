"""The page "Developing Async Connectors": the batch job, its secrets, and its local execution."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import ConnectorRegistry, Phase, Resource
from flyte_connectors.errors import AuthenticationError, RegistrationError

from tests.service.client import Client
from tests.specification import pages
from tests.specification.running import create_request, running_on, script, serving_here

PAGE = "async_connectors"
ALL = ("1_metadata", "2_connector", "3_register", "4_task", "6_run_locally")
ANNOUNCE = """
import flyte_connectors._registry.table

def announced(verb, call):
    async def wrapped(arguments):
        print(verb.name, flush=True)
        return await call(arguments)
    return wrapped

flyte_connectors._registry.table.process_registry().wrap(announced)

"""


def test_the_page_runs_as_one_script(tmp_path: Path) -> None:
    """`asyncio.run(run_locally())` prints the job's result after its five seconds."""
    (tmp_path / "page.py").write_text(pages.source(PAGE, *ALL))
    with script(tmp_path / "page.py") as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    assert output.startswith("Task result: output-from-")


@pytest.mark.parametrize(
    "call",
    [
        pages.source(PAGE, "6_run_locally"),
        'BatchJobTask(name="test_task")()',
        'import flyte\nflyte.run(BatchJobTask(name="test_task"))',
    ],
    ids=["as printed", "a plain call", "flyte.run"],
)
def test_ctrl_c_cancels_the_job(tmp_path: Path, call: str) -> None:
    """The connector's delete has run before the process ends."""
    (tmp_path / "page.py").write_text("\n".join([ANNOUNCE, pages.source(PAGE, *ALL[:-1]), call]))
    with script(tmp_path / "page.py") as process:
        assert process.stdout
        assert process.stdout.readline() == "create\n"
        assert process.stdout.readline() == "get\n"
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert process.returncode != 0
    lines = output.splitlines()
    assert lines.count("delete") == 1
    assert [line[:14] for line in lines if "ancelled job" in line] == ["Cancelled job "]


def complete(page: Any, seen: list[Any]) -> Any:
    """The page's `SecureConnector` with what it leaves out; `seen` gets the key of each call."""

    class Complete(page.SecureConnector):
        name = "Secure Connector"
        task_type_name = "batch_job"
        metadata_type = page.BatchJobMetadata

        async def create(self, task_template: Any, **kwargs: Any) -> Any:
            await super().create(task_template, **kwargs)
            seen.append(kwargs.get("my_api_key"))
            return page.BatchJobMetadata(job_id="1", created_at=0)

        async def get(self, resource_meta: Any, my_api_key: str = "", **kwargs: Any) -> Resource:
            seen.append(my_api_key)
            message = f"asked with {my_api_key}"
            return Resource(Phase.SUCCEEDED, message=message, outputs={"result": "done"})

        async def delete(self, resource_meta: Any, **kwargs: Any) -> None:
            pass

    return Complete(secrets={"my_api_key": "BATCH_API_KEY"})


SECURE = ("1_metadata", "2_connector", "4_task", "5_secrets")
PLACES = pytest.mark.parametrize("place", ["local", "service"])


@PLACES
async def test_a_connectors_own_secrets_are_keyword_arguments(
    place: str, load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each key of `ConnectorSecretsMixin` names one; its value comes from the variable beside it."""
    monkeypatch.setenv("BATCH_API_KEY", "k-123456")
    page, seen = load(PAGE, *SECURE), []
    async with running_on(place, complete(page, seen)):
        assert await page.BatchJobTask(name="test_task").execute() == "done"
    assert seen == ["k-123456", "k-123456"]


async def test_a_connectors_own_secrets_are_masked(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a task are; and a task's secret of the same name comes first."""
    monkeypatch.setenv("BATCH_API_KEY", "k-123456")
    page, seen = load(PAGE, *SECURE), []
    async with serving_here(complete(page, seen)) as address, Client(address) as client:
        job = await client.send(create_request(page.BatchJobTask(name="test_task")))
        shared = await job.get()
        personal = await job.get(connection={"secrets": {"my_api_key": "k-of-alice"}})
    assert seen == ["k-123456", "k-123456", "k-of-alice"]
    assert shared.message == personal.message == "asked with ***"


@PLACES
async def test_a_connectors_own_secret_that_is_not_mounted_is_named(place: str, load: Any) -> None:
    """With the variable to set."""
    page, seen = load(PAGE, *SECURE), []
    async with running_on(place, complete(page, seen)):
        with pytest.raises(AuthenticationError, match="'my_api_key' is not mounted: set BATCH_API_KEY"):
            await page.BatchJobTask(name="test_task").execute()
    assert seen == []


def test_the_secure_connector_as_printed_is_told_what_it_lacks(load: Any) -> None:
    """Its implementation is left out on the page, and registering it says so."""
    page = load(PAGE, "1_metadata", "2_connector", "5_secrets")
    connector = page.SecureConnector(secrets={"my_api_key": "BATCH_API_KEY"})
    assert [secret.as_env_var for secret in connector.secrets] == ["BATCH_API_KEY"]
    with pytest.raises(RegistrationError, match="SecureConnector has no task_type_name"):
        ConnectorRegistry.register(connector)
