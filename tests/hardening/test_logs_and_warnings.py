"""What a service reports about itself: its log, its warnings, the transient errors that it has handled."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from flyte_connectors import Phase

from tests.fakes.job_service import JobService
from tests.fakes.requests import create_request
from tests.fakes.serve_process import FAKE, serving
from tests.hardening.certificates import Authority
from tests.service.client import Client, refusal
from tests.service.hosting import hosting
from tests.service.http import fetch

CANARY = 'c4n4ry of "logs" \\ 42'
OPEN = "WITHOUT TLS"


def failing(verb: str, error: str, times: int = 10**6) -> dict[str, object]:
    return {"fail": {verb: {"error": error, "text": f"bad key {CANARY}", "times": times}}}


@pytest.mark.parametrize(
    ("task_type", "expected"),
    [
        ("fake_job", "INTERNAL"),
        ("fake_plain", "FAILED_PRECONDITION"),  # its create takes no key, and may have worked
    ],
)
async def test_json_lines_name_their_job_and_hold_no_secret(
    jobs: JobService, tmp_path: Path, task_type: str, expected: str
) -> None:
    """Every line parses, those of an unforeseen error included, from coroutines and from threads."""
    arguments = ("--module", FAKE, "--log-format", "json", "--log-level", "debug")
    with serving(*arguments, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            request = create_request(task_type, custom=failing("create", "ValueError"))
            request.connection.secrets["api_key"] = CANARY
            code, text = await refusal(client.jobs.CreateTask(request, timeout=5))
        assert service.stop() == 0
    log = service.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    (line,) = (line for line in lines if "exception" in line)
    assert (line["task_type"], line["verb"]) == (task_type, "create")
    assert line["job"] == jobs.calls("create")[0]
    assert "ValueError: bad key ***" in line["exception"]
    correlation = re.findall(r"see ([0-9a-f]{12})", text)
    assert code == expected
    assert correlation[0] in line["message"]
    for form in (CANARY, json.dumps(CANARY)[1:-1]):
        assert form not in log + text


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_a_public_service_without_tls_warns(
    jobs: JobService, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    """Loudly, with the way out."""
    async with hosting(host=host):
        pass
    (record,) = (record for record in caplog.records if OPEN in record.getMessage())
    assert record.levelno == logging.WARNING
    assert host in record.getMessage()
    assert "--tls-cert" in record.getMessage()


@pytest.mark.parametrize(("host", "tls"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
async def test_others_do_not_warn(
    jobs: JobService, caplog: pytest.LogCaptureFixture, tmp_path: Path, host: str, tls: bool
) -> None:
    """Neither on loopback nor with TLS: a warning that is always there is not read."""
    files = {}
    if tls:
        pair = Authority("ours").sign()
        (tmp_path / "tls.crt").write_bytes(pair.certificate)
        (tmp_path / "tls.key").write_bytes(pair.key)
        files = {"tls_cert": str(tmp_path / "tls.crt"), "tls_key": str(tmp_path / "tls.key")}
    async with hosting(host=host, **files):
        pass
    assert OPEN not in caplog.text


async def absorbed(metrics_port: int) -> dict[str, float]:
    """The transient errors of get by result."""
    body = (await fetch(f"127.0.0.1:{metrics_port}", "/metrics")).body
    pattern = r'^flyte_connectors_faults_absorbed_total\{outcome="(\w+)"\} (\S+)$'
    return {outcome: float(value) for outcome, value in re.findall(pattern, body, re.MULTILINE)}


async def test_absorbed_faults_are_counted(jobs: JobService) -> None:
    """Retried, answered RUNNING, and given up as lost: what an operator watches."""
    async with (
        hosting(lost_after=0.0) as service,
        Client(service.address, deadline=2) as client,
    ):
        assert await absorbed(service.metrics_port) == {"retried": 0, "answered": 0, "lost": 0}
        passing = await client.create(custom=failing("get", "RateLimitedError", times=2))
        assert (await passing.get()).phase == Phase.SUCCEEDED
        assert await absorbed(service.metrics_port) == {"retried": 2, "answered": 0, "lost": 0}
        lasting = await client.create(run="r2", custom=failing("get", "AuthenticationError"))
        assert (await lasting.get()).phase == Phase.RUNNING
        assert (await lasting.get()).phase == Phase.RETRYABLE_FAILED
        assert await absorbed(service.metrics_port) == {"retried": 2, "answered": 1, "lost": 1}


async def test_a_lost_job_is_lost_after_the_operators_time(jobs: JobService) -> None:
    """Not before: until then it may come back."""
    async with hosting(lost_after=3600) as service, Client(service.address, deadline=2) as client:
        job = await client.create(custom=failing("get", "AuthenticationError", times=5))
        for _ in range(5):
            assert (await job.get()).phase == Phase.RUNNING
        assert (await job.get()).phase == Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("ServiceUnavailableError", "UNAVAILABLE"),
        ("AuthenticationError", "UNAUTHENTICATED"),
        ("JobNotFoundError", "NOT_FOUND"),
        ("ValueError", "INTERNAL"),
    ],
)
async def test_with_raise_every_fault_is_an_error(jobs: JobService, error: str, code: str) -> None:
    """At the first try, and nothing is counted as absorbed."""
    async with hosting(transient_errors="raise") as service, Client(service.address) as client:
        job = await client.create(custom=failing("get", error))
        assert (await refusal(job.get()))[0] == code
        assert len(jobs.calls("get")) == 1
        assert await absorbed(service.metrics_port) == {}
