"""Errors over the wire: the code that their class fixes, one line, and nothing that leaks."""

from __future__ import annotations

import logging
import re

import grpc
import pytest
from flyteidl2.connector import connector_pb2 as pb
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from tests.fakes.job_service import JobService
from tests.fakes.requests import create_request
from tests.service.client import Client, refusal

TABLE = [
    ("ConnectorNotFoundError", "NOT_FOUND"),
    ("InvalidRequestError", "INVALID_ARGUMENT"),
    ("InvalidResourceMetaError", "INVALID_ARGUMENT"),
    ("UnsupportedVerbError", "UNIMPLEMENTED"),
    ("AuthenticationError", "UNAUTHENTICATED"),
    ("PermissionDeniedError", "PERMISSION_DENIED"),
    ("JobNotFoundError", "NOT_FOUND"),
    ("ConflictError", "ALREADY_EXISTS"),
    ("RateLimitedError", "RESOURCE_EXHAUSTED"),
    ("ServiceUnavailableError", "UNAVAILABLE"),
    ("NotImplementedError", "UNIMPLEMENTED"),
]
VERBS = ["get", "delete", "get_logs", "get_metrics"]


def failing(verb: str, error: str, text: str = "the job service said no") -> dict[str, object]:
    """A plan by which one verb fails."""
    return {"phase": "RUNNING", "fail": {verb: {"error": error, "text": text}}}


@pytest.mark.parametrize(("error", "code"), TABLE)
async def test_a_connectors_error_has_the_code_of_its_class(
    strict_client: Client, jobs: JobService, error: str, code: str
) -> None:
    """Create, and its text says what the connector said; no job is left."""
    got, text = await refusal(strict_client.create(custom=failing("create", error)))
    assert got == code
    assert "the job service said no" in text or error == "NotImplementedError"
    assert not jobs.jobs


@pytest.mark.parametrize(("error", "code"), TABLE)
async def test_every_verb_maps_errors_alike(strict_client: Client, error: str, code: str) -> None:
    """Logs and metrics, too; but a job that is gone counts as deleted."""
    for verb in VERBS:
        job = await strict_client.create(run=verb, custom=failing(verb, error))
        if (verb, error) == ("delete", "JobNotFoundError"):
            await job.delete()
        else:
            assert (verb, (await refusal(job.call(verb)))[0]) == (verb, code)


@pytest.mark.parametrize("error", ["ValueError", "KeyError", "TimeoutError", "SystemExit", "OSError"])
async def test_an_unforeseen_error_tells_nothing_but_where_to_look(
    strict_client: Client, caplog: pytest.LogCaptureFixture, error: str
) -> None:
    """INTERNAL, a fixed text, and a correlation id under which the log has the traceback."""
    for verb in ("create", *VERBS):
        fault = failing(verb, error, text="internal host db-7.corp\nsecond line")
        call = strict_client.create(run=verb, custom=fault)
        if verb != "create":
            call = (await call).call(verb)
        with caplog.at_level(logging.ERROR):
            code, text = await refusal(call)
        assert code == "INTERNAL"
        assert "db-7" not in text
        assert f"{verb} of Fake Connector" in text
        match = re.search(r"see ([0-9a-f]{12}) in the service", text)
        assert match, text
        record = next(record for record in caplog.records if match[1] in record.getMessage())
        assert record.exc_info
        assert "db-7" in str(record.exc_info[1])


@pytest.mark.parametrize("verb", ["get_logs", "get_metrics"])
async def test_a_verb_that_a_connector_lacks_is_unimplemented(strict_client: Client, verb: str) -> None:
    """Connector, task type and verb are named."""
    job = await strict_client.create("fake_bare", version=2)
    code, text = await refusal(job.call(verb))
    assert code == "UNIMPLEMENTED"
    assert "Bare Connector" in text
    assert verb in text


async def test_an_error_of_several_lines_becomes_one(strict_client: Client) -> None:
    """Whatever the vendor wrote."""
    fault = failing("create", "ServiceUnavailableError", text="first\n\tsecond\r\n  third")
    assert await refusal(strict_client.create(custom=fault)) == (
        "UNAVAILABLE",
        "first second third",
    )


@pytest.mark.parametrize("text", ["x" * 40_000, "表" * 40_000, "%" * 40_000, "😀 " * 20_000])
@pytest.mark.parametrize("verb", ["create", "get", "get_logs"])
async def test_a_long_error_reaches_its_caller(strict_client: Client, verb: str, text: str) -> None:
    """Cut so that it fits the metadata that clients accept, however gRPC encodes it."""
    fault = failing(verb, "AuthenticationError", text=text)
    call = strict_client.create(custom=fault)
    if verb != "create":
        call = (await call).call(verb)
    code, seen = await refusal(call)
    assert code == "UNAUTHENTICATED"
    assert seen[:200] == text[:200]
    assert re.search(r" \.\.\. \(\d+ characters cut\)$", seen)


async def test_a_long_name_of_a_request_is_cut(strict_client: Client) -> None:
    """An error names the field, which the caller chose."""
    request = create_request(inputs={"表" * 20_000: 1})
    del request.inputs.literals[:]
    code, seen = await refusal(strict_client.send(request))
    assert code == "INVALID_ARGUMENT"
    assert seen.startswith("inputs.表")


@pytest.mark.parametrize("code", ["OK", "NOT_FOUND"])
async def test_after_an_error_the_service_goes_on(strict_client: Client, code: str) -> None:
    """Also on the same connection."""
    if code != "OK":
        await refusal(strict_client.create("nothing"))
    await strict_client.create()


async def test_errors_carry_their_class_and_nothing_else(strict_client: Client) -> None:
    """A missing connector and a missing job share NOT_FOUND: `grpcio-status` tells them apart."""
    call = strict_client.jobs.CreateTask(create_request("nothing"))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    trailers = dict(raised.value.trailing_metadata())
    status = Status.FromString(trailers.pop("grpc-status-details-bin"))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("CONNECTOR_NOT_FOUND", "flyte-connectors")
    assert status.message == raised.value.details()
    assert not [key for key in trailers if "date" not in key]
    assert raised.value.debug_error_string().count("Traceback") == 0


async def test_a_slow_get_ends_at_the_callers_deadline(strict_client: Client, jobs: JobService) -> None:
    """And a later one is answered."""
    job = await strict_client.create(custom={"hold": ["get"]})
    request = pb.GetTaskRequest(resource_meta=job.meta, task_category=job.category)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await strict_client.jobs.GetTask(request, timeout=0.05)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    jobs.release()
    assert (await job.get()).phase
