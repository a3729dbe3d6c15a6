"""Passing faults between the plugin and BigQuery: tried again, waited for, and named in the end."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from bed.calls import CONFIG, Calls
from bed.proxy import (
    RATE_LIMITED,
    TOO_MANY,
    UNAVAILABLE,
    Fault,
    Reply,
    answer,
    hang,
    lost_reply,
    reset,
    rewrite,
)
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyte_connectors_bigquery import BigQueryTask
from flyte_connectors_bigquery.access import connections
from flyte_connectors_bigquery.access.credentials import Identity
from flyte_connectors_bigquery.client import BigQuery, TimeLimit
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.emulator import Emulator
    from bed.proxy import Front

QUERIES = 80
AT_ONCE = 20


@pytest.mark.timeout(180)
async def test_a_fault_on_every_third_call_costs_no_result_and_no_job(
    emulated: Calls, front: Front, server: Emulator
) -> None:
    """A third of all calls troubled in turn: as many right results as queries, and as many jobs.

    The proxy hands in one job at a time, so that only some wait for it at once.
    """
    troubles = itertools.cycle([lost_reply, reset, TOO_MANY, UNAVAILABLE, RATE_LIMITED])

    def in_turn(*call: Any) -> Reply | None:
        return next(troubles)(*call)

    front.faults.append(Fault(in_turn, every=3))
    task = BigQueryTask(
        name="square",
        query_template="SELECT @n * @n AS square",
        plugin_config=CONFIG,
        inputs={"n": int},
        outputs={"square": int},
    )
    before = _count_jobs(server.url)
    at_once = asyncio.Semaphore(AT_ONCE)

    async def square(n: int) -> dict[str, Any]:
        async with at_once:
            return await emulated.run(task, {"n": n})

    results = await asyncio.gather(*map(square, range(QUERIES)))
    assert results == [{"square": n * n} for n in range(QUERIES)]
    assert _count_jobs(server.url) - before == QUERIES


@pytest.fixture(params=[TimeLimit(0.3, 0.8)])
def impatient(front: Front, request: pytest.FixtureRequest) -> Iterator[BigQuery]:
    """BigQuery, asked with short time limits."""
    with bigquery.Client(
        project="p1",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": front.url},
    ) as vendor:
        yield BigQuery(vendor, request.param, request.param)


@pytest.mark.parametrize(
    ("reason", "phase"),
    [("backendError", Phase.RETRYABLE_FAILED), ("invalidQuery", Phase.FAILED)],
)
async def test_a_failure_of_bigquerys_own_may_be_tried_again(
    emulated: Calls, front: Front, reason: str, phase: Phase
) -> None:
    """Flyte learns from BigQuery's reason, not from its text, which failures another attempt may fix."""

    def fail(job: dict[str, Any]) -> None:
        job["status"] = {"state": "DONE", "errorResult": {"reason": reason, "message": "because"}}

    front.faults.append(Fault(rewrite(fail), method="GET", path="/jobs/"))
    resource = await (await emulated.create(emulated.query("SELECT 1"))).end()
    assert resource.phase == phase
    assert resource.message == f"because ({reason})"


def test_a_call_that_hangs_is_given_up_and_tried_again(impatient: BigQuery, front: Front) -> None:
    """One request has its own time limit, so that there is time for another."""
    front.faults.append(Fault(hang, method="GET", times=1))
    started = time.monotonic()
    with pytest.raises(JobNotFoundError):
        impatient.job("p1", "US", "unknown")
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("trouble", [hang, reset, lost_reply, UNAVAILABLE])
def test_a_service_that_stays_away_is_unavailable(impatient: BigQuery, front: Front, trouble: object) -> None:
    """After the time for all attempts the caller learns that trying later is worth it."""
    front.faults.append(Fault(trouble, method="GET"))  # type: ignore[arg-type]
    started = time.monotonic()
    with pytest.raises(ServiceUnavailableError, match=r"BigQuery job p1:US\.some"):
        impatient.job("p1", "US", "some")
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("impatient", [TimeLimit(0.3, 0.1)], indirect=True)
@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (400, "invalid", InvalidRequestError),
        (403, "accessDenied", PermissionDeniedError),
        (403, "quotaExceeded", RateLimitedError),
        (403, "rateLimitExceeded", RateLimitedError),
        (404, "notFound", JobNotFoundError),
        (429, "rateLimitExceeded", RateLimitedError),
        (500, "backendError", ServiceUnavailableError),
        (502, "badGateway", ServiceUnavailableError),
        (503, "backendError", ServiceUnavailableError),
        (400, "jobInternalError", ServiceUnavailableError),
    ],
)
def test_answers_have_errors(
    impatient: BigQuery, front: Front, status: int, reason: str, error: type[ConnectorError]
) -> None:
    """Each status and reason is one kind of error, in one line with BigQuery's own words."""
    front.faults.append(Fault(answer(status, reason, "because\nof this"), method="GET"))
    with pytest.raises(ConnectorError, match="because of this") as raised:
        impatient.job("p1", "US", "some")
    assert type(raised.value) is error


@pytest.mark.parametrize("impatient", [TimeLimit(0.3, 0.1)], indirect=True)
@pytest.mark.parametrize("trouble", [hang, lost_reply, None])
def test_a_service_that_does_not_answer_is_named_in_a_short_line(
    impatient: BigQuery, front: Front, trouble: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host and reason, not the request's address, which has a mask of hundreds of characters."""
    host = front.host
    if trouble is None:
        host = "127.0.0.1:1"
        monkeypatch.setattr(impatient._client._connection, "API_BASE_URL", f"http://{host}")
    else:
        front.faults.append(Fault(trouble, method="GET"))
    with pytest.raises(ServiceUnavailableError) as raised:
        impatient.job("p1", "US", "some")
    message = raised.value.message
    assert message.startswith(f"BigQuery job p1:US.some: {host}: ")
    assert len(message) < 200, message


@pytest.mark.parametrize("impatient", [TimeLimit(0.3, 0.1)], indirect=True)
def test_an_answer_that_is_no_json_is_unavailable(impatient: BigQuery, front: Front) -> None:
    """A gateway's page of HTML between here and BigQuery is a transient error."""

    def gateway(_handler: object, _forward: object) -> Reply:
        return Reply(502, b"<html><h1>Bad Gateway</h1></html>")

    front.faults.append(Fault(gateway, method="GET"))
    with pytest.raises(ServiceUnavailableError):
        impatient.job("p1", "US", "some")


def test_clients_are_kept_closed_and_bounded(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """One client for each identity; the one unused for longest goes when there are too many."""
    connections.close_all()
    monkeypatch.setattr(connections, "_MAX_CLIENTS", 2)
    first = connections.connect(Identity("p1"))._client
    assert connections.connect(Identity("p1"))._client is first
    connections.connect(Identity("p2"))
    connections.connect(Identity("p1"))
    connections.connect(Identity("p3"))
    assert [key[0] for key in connections._clients] == ["p1", "p3"]


def _count_jobs(url: str) -> int:
    with urllib.request.urlopen(f"{url}/bigquery/v2/projects/p1/jobs?maxResults=100000") as reply:
        return len(json.load(reply)["jobs"])
