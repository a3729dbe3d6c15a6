"""A secret reaches its connector, and nothing else: not one byte of what leaves the service."""

from __future__ import annotations

import base64
import contextlib
import urllib.parse
from pathlib import Path

import grpc
import pytest
from flyteidl2.core.security_pb2 import Connection

from tests.fakes.job_service import JobService
from tests.fakes.requests import category, create_request
from tests.fakes.serve_process import FAKE, serving
from tests.service.client import Client, Job, refusal
from tests.service.http import fetch

CANARY = "c4n4ry/+tweets&sings=42"
FORMS = [CANARY, urllib.parse.quote(CANARY, safe=""), base64.b64encode(CANARY.encode()).decode()]
CUSTOM = {"secrets": {"api_key": "vendor-key"}}


def connection(**configs: str) -> Connection:
    """What the back end sends beside a request."""
    return Connection(secrets={"api_key": CANARY}, configs=configs)


async def create(client: Client, *, run: str = "run", **plan: object) -> Job:
    """A job whose task names a secret, which the back end has sent."""
    request = create_request(run=run, custom={**CUSTOM, **plan})
    request.connection.CopyFrom(connection())
    response = await client.jobs.CreateTask(request, timeout=client.deadline)
    return Job(client, response.resource_meta, category(request))


def assert_silent(text: str) -> None:
    """No form of the canary is in `text`."""
    assert not [form for form in FORMS if form in text]


async def test_a_secret_reaches_create_by_its_argument_name(client: Client, jobs: JobService) -> None:
    """And is not in the meta, which Flyte stores and logs."""
    job = await create(client)
    assert jobs.job(jobs.jobs[0])["arguments"]["api_key"] == CANARY
    assert_silent(job.meta.decode(errors="replace"))


@pytest.mark.parametrize("verb", ["create", "get", "delete"])
@pytest.mark.parametrize("error", ["ServiceUnavailableError", "ValueError"])
async def test_an_error_that_quotes_a_secret_is_masked(strict_client: Client, verb: str, error: str) -> None:
    """In plain and in the usual encodings."""
    fault = {"phase": "RUNNING", "fail": {verb: {"error": error, "text": " and ".join(FORMS)}}}
    call = create(strict_client, **fault)
    if verb != "create":
        call = getattr(await call, verb)(connection=connection())
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    assert_silent(str(raised.value))
    assert_silent(repr(raised.value.trailing_metadata()))


async def test_a_resource_that_quotes_a_secret_is_masked(client: Client) -> None:
    """Message, details and links."""
    job = await create(
        client,
        message=f"used {CANARY}",
        custom_info={"request": [{"header": CANARY}]},
        links=[f"https://vendor/?key={FORMS[1]}"],
        phase="QUEUED",
    )
    resource = await job.get(connection=connection())
    assert "***" in resource.message
    assert_silent(str(resource))


@pytest.mark.parametrize("secrets", [{}, {"odd": CANARY}], ids=["function", "secret"])
async def test_a_meta_that_cannot_be_stored_leaves_no_job(
    client: Client, jobs: JobService, secrets: dict[str, str]
) -> None:
    """What can't be encoded, or holds a secret: the job that nobody could ask for is deleted."""
    request = create_request("fake_odd_meta", custom={"phase": "RUNNING"})
    request.connection.secrets.update(secrets)
    code, text = await refusal(client.jobs.CreateTask(request))
    assert code == "INTERNAL"
    assert "the job was deleted" in text
    assert_silent(text)
    assert [jobs.job(key)["phase"] for key in jobs.jobs] == ["ABORTED"]


async def test_the_service_has_secrets_of_its_own(
    client: Client, jobs: JobService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From its environment or from mounted files, where the back end sends none."""
    (tmp_path / "file-key").write_text("from the file\n")
    monkeypatch.setenv("FLYTE_CONNECTORS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("FLYTE_SECRET_ENV_KEY", "from the environment")
    await client.create(custom={"secrets": {"one": "env-key", "two": "file-key"}})
    arguments = jobs.job(jobs.jobs[0])["arguments"]
    assert arguments["one"] == "from the environment"
    assert arguments["two"] == "from the file"


async def test_a_secret_that_is_nowhere_is_named(client: Client, jobs: JobService) -> None:
    """UNAUTHENTICATED, where to put it, and no job."""
    code, text = await refusal(client.create(custom=CUSTOM))
    assert code == "UNAUTHENTICATED"
    assert "'vendor-key'" in text
    assert "FLYTE_SECRET_VENDOR_KEY" in text
    assert not jobs.jobs


@pytest.mark.parametrize("name", ["inputs", "resource_meta", "idempotency_key", "self"])
async def test_a_secret_may_not_take_the_place_of_an_argument(client: Client, jobs: JobService, name: str) -> None:
    """INVALID_ARGUMENT, the name, and no job."""
    request = create_request()
    request.connection.secrets[name] = CANARY
    code, text = await refusal(client.jobs.CreateTask(request))
    assert code == "INVALID_ARGUMENT"
    assert name in text
    assert not jobs.jobs


async def test_a_config_does_not_shadow_a_secret(client: Client, jobs: JobService) -> None:
    """Both of one name are refused."""
    request = create_request()
    request.connection.CopyFrom(connection(api_key="from the configs"))
    code, text = await refusal(client.jobs.CreateTask(request))
    assert code == "INVALID_ARGUMENT"
    assert "api_key" in text
    assert not jobs.jobs


@pytest.mark.parametrize("table", ["a string", {"api_key": 3}, ["api_key"]])
async def test_a_table_of_secrets_is_names_by_argument(client: Client, jobs: JobService, table: object) -> None:
    """Anything else is refused by its field."""
    code, text = await refusal(client.create(custom={"secrets": table}))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("custom.secrets")
    assert not jobs.jobs


async def test_a_service_process_leaks_nothing(jobs: JobService, tmp_path: Path) -> None:
    """Its log, its metrics and its output, whatever its connector does with the secret."""
    with serving("--module", FAKE, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            for verb in ("create", "get", "delete"):
                fault = {"error": "ValueError", "text": f"bad key {CANARY}"}
                with contextlib.suppress(grpc.aio.AioRpcError):  # a fault of get is absorbed
                    job = await create(client, run=verb, fail={verb: fault})
                    await getattr(job, verb)(connection=connection())
        metrics = await fetch(service.metrics, "/metrics")
        assert service.stop() == 0
    log = service.log.read_text()
    assert log.count("ValueError: bad key ***") == 3
    assert_silent(log)
    assert_silent(metrics.body)
