"""GetTask through faults: Flyte counts its errors over a task's life and gives up after six."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest
from flyte_connectors import Phase
from flyteidl2.connector import connector_pb2 as pb

from tests.fakes.job_service import JobService
from tests.service.client import Client, Job, refusal
from tests.service.hosting import hosting

pytestmark = pytest.mark.alone

PASSING = ["ServiceUnavailableError", "RateLimitedError"]
OTHER = ["AuthenticationError", "PermissionDeniedError", "ValueError", "TimeoutError"]


def plan(error: str, times: int = 10**6) -> dict[str, object]:
    """A job whose first reads fail."""
    return {"fail": {"get": {"error": error, "text": "away", "times": times}}}


async def read(client: Client, job: Job, seconds: float) -> pb.Resource:
    """The job's state, as a caller with little time gets it."""
    request = pb.GetTaskRequest(resource_meta=job.meta, task_category=job.category)
    return (await client.jobs.GetTask(request, timeout=seconds)).resource


@pytest.mark.parametrize("error", PASSING)
async def test_a_passing_fault_is_tried_again_within_the_call(client: Client, jobs: JobService, error: str) -> None:
    """The caller sees the answer, not the fault."""
    job = await client.create(custom=plan(error, times=2))
    assert (await read(client, job, 5)).phase == Phase.SUCCEEDED
    assert len(jobs.calls("get")) == 3


@pytest.mark.parametrize("error", PASSING + OTHER)
async def test_a_lasting_fault_leaves_the_job_running(client: Client, error: str) -> None:
    """In time for the caller's deadline."""
    job = await client.create(custom=plan(error))
    started = time.monotonic()
    assert (await read(client, job, 0.8)).phase == Phase.RUNNING
    assert time.monotonic() - started < 0.8


async def test_a_connector_that_hangs_leaves_the_job_running(client: Client, jobs: JobService) -> None:
    """Answered before the caller's deadline."""
    job = await client.create(custom={"hold": ["get"]})
    assert (await read(client, job, 0.8)).phase == Phase.RUNNING
    jobs.release()
    assert (await read(client, job, 5)).phase == Phase.SUCCEEDED


async def test_a_job_that_is_gone_is_lost(client: Client, jobs: JobService) -> None:
    """RETRYABLE_FAILED with the reason: a new attempt may succeed."""
    job = await client.create()
    jobs.forget(jobs.jobs[0])
    resource = await job.get()
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert "knows no job" in resource.message


async def test_a_job_that_stays_out_of_reach_is_lost(jobs: JobService) -> None:
    """After the operator's limit, with the reason."""
    async with hosting(lost_after=0.0) as service, Client(service.address) as client:
        job = await client.create(custom=plan("AuthenticationError"))
        assert (await job.get()).phase == Phase.RUNNING
        resource = await job.get()
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert "away" in resource.message


async def test_bad_requests_are_errors_nevertheless(client: Client) -> None:
    """No time heals them."""
    job = await client.create(custom=plan("InvalidRequestError"))
    assert (await refusal(job.get()))[0] == "INVALID_ARGUMENT"
    job.meta = b"junk"
    assert (await refusal(job.get()))[0] == "INVALID_ARGUMENT"


async def test_an_operator_may_want_the_errors(strict_client: Client, tmp_path: Path) -> None:
    """For callers that tell them apart."""
    job = await strict_client.create(custom=plan("ServiceUnavailableError"))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await read(strict_client, job, 5)
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
