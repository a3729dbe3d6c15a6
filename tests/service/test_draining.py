"""A service that is stopped while callers never pause: no call is cancelled, no job lost."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.fakes.job_service import JobService
from tests.fakes.serve_process import FAKE, serving
from tests.service.callers import stop_under_load
from tests.service.client import Client

pytestmark = pytest.mark.alone

SECONDS_TO_DRAIN = 10.0  # of a grace period of 30 s; less than 1 s on an idle machine


async def test_callers_with_another_replica_see_no_error(tmp_path: Path) -> None:
    """What the stopped one has not read, their clients send to the other by themselves."""
    outcome = await stop_under_load(tmp_path, replicas=2)
    assert outcome.errors == {}
    assert outcome.lost == 0
    assert outcome.codes["get", "OK"] > 100
    assert outcome.codes["create", "OK"] > 20
    assert outcome.exit_code == 0
    assert "Traceback" not in outcome.log


async def test_callers_without_another_replica_are_told_to_retry(tmp_path: Path) -> None:
    """UNAVAILABLE is the only error, and stands for a job that was not started."""
    outcome = await stop_under_load(tmp_path)
    assert outcome.errors.keys() == {"UNAVAILABLE"}
    assert outcome.lost == 0


async def test_a_silent_connection_does_not_delay_the_end(tmp_path: Path) -> None:
    """A port scanner, or a client whose machine has gone."""
    outcome = await stop_under_load(tmp_path, silent=3)
    assert outcome.drain < SECONDS_TO_DRAIN


async def test_a_slow_create_is_answered_while_the_others_are_sent_away(tmp_path: Path) -> None:
    """It takes longer than a client notices, so the other clients do not wait for its end."""
    outcome = await stop_under_load(tmp_path, replicas=2, slow_create=3.0)
    assert outcome.codes["slow create", "OK"] == 1
    assert "CANCELLED" not in outcome.errors
    assert outcome.lost == 0
    assert 2.0 < outcome.drain < SECONDS_TO_DRAIN


async def test_a_watch_of_the_health_does_not_delay_the_end(jobs: JobService, tmp_path: Path) -> None:
    """It is told NOT_SERVING, and then its connection ends."""
    with serving("--module", FAKE, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            watch = client.health.Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            started = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(service.stop))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert await stopping == 0
            assert time.monotonic() - started < SECONDS_TO_DRAIN
            assert await watch.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_long_answer_is_sent_to_its_end(jobs: JobService, tmp_path: Path) -> None:
    """More of it than the connection holds: its client goes on to be heard."""
    lines = ["x" * 1000] * 10_000
    with serving("--module", FAKE, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            job = await client.create(custom={"log": lines})
            stream = job.log_messages(lines=len(lines))
            messages = aiter(stream)
            received = len((await anext(messages)).body.lines)
            stopping = asyncio.create_task(asyncio.to_thread(service.stop))
            await asyncio.sleep(0.5)  # nothing is taken from the connection meanwhile
            async for message in messages:
                received += len(message.body.lines)
            assert await stopping == 0
    assert received == len(lines)
