"""Services that are unreachable, slow, endless, foreign or wrong."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from functools import partialmethod
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors import Phase
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import (
    AuthenticationError,
    ConflictError,
    ConnectorError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyte_connectors.http import Limits
from flyte_connectors_model_training import (
    ModelTrainingConnector,
    ModelTrainJobMeta,
    ModelTrainTask,
    TrainingApi,
)
from flyteidl2.connector import connector_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import ScriptedServer

INPUTS = {"epochs": 1, "dataset_uri": "file:///data.csv"}


async def create(endpoint: str, **options: Any) -> ModelTrainJobMeta:
    """Start a training as the core does."""
    task = ModelTrainTask(name="train", endpoint=endpoint, **options)
    return await ModelTrainingConnector().create(task.to_proto(), "", INPUTS, idempotency_key="key-1")


async def get(scripted: ScriptedServer, **config: Any) -> Any:
    """Read the state of job `a b`, whose id needs escaping."""
    meta = ModelTrainJobMeta("a b", scripted.endpoint, config)
    return await ModelTrainingConnector().get(meta)


HOSTILE = (
    "@evil.example.net",
    ".evil.example.net/x",
    ":PORT/x",
    "/../..",
    "/%2e%2e/{job_id}",
    "/..;/{job_id}",
    "\\\\evil.example.net\\{job_id}",
    "//evil.example.net/{job_id}",
    "/{job_id}?x=@evil.example.net",
    "/{job_id}#x",
    "/{job_id}\r\nHost: evil.example.net",
    "/{job_id} HTTP/1.1",
    "http://evil.example.net/{job_id}",
)


@pytest.mark.parametrize("name", ["job_path", "logs_path", "metrics_path"])
@pytest.mark.parametrize("path", HOSTILE)
async def test_a_path_of_the_task_leads_nowhere_else(
    scripted: ScriptedServer, unheard: socket.socket, name: str, path: str
) -> None:
    """Neither to another host or port, nor above the endpoint; also in a meta that somebody forged."""
    port = unheard.getsockname()[1]
    path = path.replace("PORT", str(port)).replace("evil.example.net", f"127.0.0.1:{port}")
    with pytest.raises(InvalidRequestError, match=rf"^custom\.api\.{name}: must be a path such as"):
        await create(scripted.endpoint, api=TrainingApi(**{name: path}))
    meta = ModelTrainJobMeta("a", scripted.endpoint, {"api": {name: path}})
    for verb in (ModelTrainingConnector().get, ModelTrainingConnector().delete):
        with pytest.raises(InvalidRequestError):
            await verb(meta)
    assert scripted.requests == []
    with pytest.raises(BlockingIOError):
        unheard.accept()


@pytest.mark.parametrize("job_id", ["../..", "..", "a/b", "..%2fb", "a\\b", "x/../../../admin"])
@pytest.mark.parametrize("config", [{}, {"ray": {"address": "ADDRESS"}}])
async def test_an_id_that_is_more_than_one_part_is_not_asked_about(
    scripted: ScriptedServer, job_id: str, config: dict[str, Any]
) -> None:
    """Whether the service chose it or somebody forged the meta."""
    endpoint = scripted.endpoint
    if config:
        config, endpoint = {"ray": {"address": endpoint}}, ""
    meta = ModelTrainJobMeta(job_id, endpoint, config)
    for verb in (ModelTrainingConnector().get, ModelTrainingConnector().delete):
        with pytest.raises(InvalidRequestError, match="can't be part of a path"):
            await verb(meta)
    assert scripted.requests == []


@pytest.fixture
def unheard() -> Iterator[socket.socket]:
    """A listener that must not be contacted."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


async def test_a_service_that_is_down_is_unavailable() -> None:
    """Nothing listens there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServiceUnavailableError, match=f"127.0.0.1:{port}/jobs can't be reached"):
        await create(f"http://127.0.0.1:{port}/jobs")


async def test_a_server_that_speaks_no_http_is_unavailable(scripted: ScriptedServer) -> None:
    """The text says so."""
    scripted.replies = [b"220 mail.example.org ESMTP\r\n"]
    with pytest.raises(ServiceUnavailableError, match="is not an HTTP server"):
        await create(scripted.endpoint)


async def test_a_web_page_is_no_training_service(scripted: ScriptedServer) -> None:
    """A submission is refused; a poll may meet a proxy's page, which goes away."""
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"
    scripted.replies = [page]
    with pytest.raises(InvalidRequestError, match="answered text/html, not JSON"):
        await create(scripted.endpoint)
    with pytest.raises(ServiceUnavailableError, match="answered text/html, not JSON"):
        await get(scripted)


async def test_a_redirect_is_not_followed(scripted: ScriptedServer) -> None:
    """Its target would be a host that nobody allowed; the error names it."""
    location = "Location: https://elsewhere.example.org/login?next=1\r\n"
    scripted.answer({}, status="302 Found", headers=location)
    with pytest.raises(InvalidRequestError, match=r"redirects to elsewhere\.example\.org: name"):
        await create(scripted.endpoint)
    assert len(scripted.requests) == 1


async def test_a_service_that_never_answers_is_given_up(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that sends a byte now and then."""
    monkeypatch.setattr(Limits, "__init__", partialmethod(Limits.__init__, reply_seconds=0.2))

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(50):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    scripted.replies = [drip]
    with pytest.raises(ServiceUnavailableError, match=r"gave no answer within 0\.2 s"):
        await get(scripted)


async def test_an_endless_answer_is_given_up(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a stated number of bytes."""
    monkeypatch.setattr(Limits, "__init__", partialmethod(Limits.__init__, reply_bytes=100_000))

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x" * 10_000)
            await writer.drain()

    scripted.replies = [flood]
    with pytest.raises(ServiceUnavailableError, match="answered more than 100000 bytes"):
        await get(scripted)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", InvalidRequestError),
        ("401 Unauthorized", AuthenticationError),
        ("403 Forbidden", PermissionDeniedError),
        ("404 Not Found", JobNotFoundError),
        ("409 Conflict", ConflictError),
        ("410 Gone", JobNotFoundError),
        ("422 Unprocessable Content", InvalidRequestError),
        ("429 Too Many Requests", RateLimitedError),
        ("500 Internal Server Error", ServiceUnavailableError),
        ("503 Service Unavailable", ServiceUnavailableError),
    ],
)
async def test_each_status_is_its_error(scripted: ScriptedServer, status: str, kind: type[ConnectorError]) -> None:
    """With the service's words, and the host and path that said them."""
    scripted.answer({"error": "because of the weather"}, status=status)
    with pytest.raises(kind, match=r"127.0.0.1:\d+/jobs/a%20b answered .*: because of the weather"):
        await get(scripted)


async def test_a_submission_to_a_wrong_path_says_so(scripted: ScriptedServer) -> None:
    """404 to a submission is not a missing job."""
    scripted.answer({"detail": "Not Found"}, status="404 Not Found")
    with pytest.raises(InvalidRequestError, match=r"^custom.endpoint: .*where trainings are"):
        await create(scripted.endpoint)


async def test_a_lost_reply_is_asked_for_again_under_the_same_id(
    scripted: ScriptedServer,
) -> None:
    """The service knows the id, so no second job comes of it."""
    scripted.replies = [b""]
    scripted.answer({"job_id": "the-id"})
    await dispatched(ModelTrainTask(name="train", endpoint=scripted.endpoint))
    first, second = (request.partition("\r\n\r\n") for request in scripted.requests)
    key = re.search(r"Idempotency-Key: (\S+)\r\n", first[0] + "\r\n")
    assert key
    assert json.loads(first[2])["job_id"] == key[1]
    assert second == first


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 504 Gateway Timeout\r\n\r\n"])
async def test_a_service_that_takes_no_id_is_asked_once(scripted: ScriptedServer, reply: bytes) -> None:
    """It may have started the job whose reply was lost."""
    scripted.replies = [reply]
    task = ModelTrainTask(name="train", endpoint=scripted.endpoint, api=TrainingApi(chosen_job_id=""))
    with pytest.raises(CreateOutcomeUnknownError, match="a job may have been started"):
        await dispatched(task)
    assert len(scripted.requests) == 1
    assert '"job_id"' not in scripted.requests[0]


async def test_a_slow_service_that_takes_no_id_is_waited_for(scripted: ScriptedServer) -> None:
    """An early reply would let another replica submit the training a second time."""

    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.2)
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"job_id": "j1"}')

    scripted.replies = [late]
    task = ModelTrainTask(name="train", endpoint=scripted.endpoint, api=TrainingApi(chosen_job_id=""))
    meta = unseal(await dispatched(task, timeout=1), "external_model_training")
    assert meta.meta
    assert not meta.request
    assert len(scripted.requests) == 1


async def dispatched(task: ModelTrainTask, timeout: float = 5) -> bytes:
    """Start a training through the core, which repeats what failed for a passing reason."""
    registry = Registry()
    registry.register(ModelTrainingConnector())
    request = pb.CreateTaskRequest(template=task.to_proto(), inputs=task.interface.write_inputs("train", INPUTS))
    request.task_execution_metadata.task_execution_id.node_execution_id.node_id = "n0"
    reply = await Dispatcher(registry, CallGuard()).create(request, timeout=timeout)
    return reply.resource_meta


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("queued", Phase.QUEUED),
        ("Waiting", Phase.WAITING_FOR_RESOURCES),
        ("STARTING", Phase.INITIALIZING),
        ("in-progress", Phase.RUNNING),
        ("on fire", Phase.RUNNING),
        ("failed", Phase.FAILED),
        ("preempted", Phase.RETRYABLE_FAILED),
        ("Canceled", Phase.ABORTED),
    ],
)
async def test_each_status_word_is_its_phase(scripted: ScriptedServer, status: str, phase: Phase) -> None:
    """Case and hyphens do not matter; an unknown word is taken for running."""
    scripted.answer({"status": status})
    assert (await get(scripted)).phase == phase


async def test_progress_is_in_the_message(scripted: ScriptedServer) -> None:
    """Where the service says nothing itself."""
    body = {"status": "loading", "epoch": 3, "epochs": 9, "metrics": {"loss": 0.51234}}
    scripted.answer(body, {**body, "message": "fetching data"})
    assert (await get(scripted)).message == "loading, epoch 3 of 9, loss 0.5123"
    resource = await get(scripted)
    assert resource.message == "fetching data"
    assert resource.custom_info["progress"] == 3 / 9


@pytest.mark.parametrize("results", [None, "", 3, {"path": "x"}, "model.bin", ["s3://b/m"]])
async def test_results_that_are_no_file_fail_the_job(scripted: ScriptedServer, results: object) -> None:
    """It ended, but there is nothing to hand on; the message shows what there was."""
    scripted.answer({"status": "finished", "results": results})
    resource = await get(scripted)
    assert resource.phase == Phase.FAILED
    assert "its results are not a file" in resource.message


@pytest.mark.parametrize("body", [[], "text", None, {}, {"status": 3}])
async def test_an_answer_without_status_is_no_state(scripted: ScriptedServer, body: object) -> None:
    """It names the setting that says where the status is."""
    scripted.answer(body)
    with pytest.raises(ServiceUnavailableError, match="answered no status: set the status of"):
        await get(scripted)


@pytest.mark.parametrize("job_id", [None, "", True, 1.5, "..", {"id": "a"}, "x" * 256])
async def test_a_submission_without_a_job_id_is_refused(scripted: ScriptedServer, job_id: object) -> None:
    """An id is a short word or an integer."""
    scripted.answer({"job_id": job_id})
    with pytest.raises(InvalidRequestError, match=r"custom.endpoint: .*(job_id|job id)"):
        await create(scripted.endpoint)


async def test_another_services_spelling_needs_no_code(scripted: ScriptedServer) -> None:
    """Nested fields, other paths, numbers as ids, words of its own."""
    api = TrainingApi(
        job_id="run.number",
        chosen_job_id="",
        status="run.state",
        results="run.artifacts.model",
        job_path="/{job_id}/status",
        statuses={"cooked": "SUCCEEDED"},
    )
    run = {"number": 17, "state": "cooked", "artifacts": {"model": "s3://bucket/model.pt"}}
    scripted.answer({"run": run})
    meta = await create(scripted.endpoint, api=api)
    resource = await ModelTrainingConnector().get(ModelTrainJobMeta.decode(meta.encode()))
    assert resource.outputs["results"].path == "s3://bucket/model.pt"
    assert scripted.requests[1].startswith("GET /jobs/17/status HTTP/1.1")


@pytest.mark.parametrize("status", ["400 Bad Request", "405 Method Not Allowed", "409 Conflict"])
async def test_deleting_what_has_ended_succeeds_whatever_the_service_says(
    scripted: ScriptedServer, status: str
) -> None:
    """A refusal counts for a running job only."""
    delete = ModelTrainingConnector().delete
    meta = ModelTrainJobMeta("a", scripted.endpoint)
    scripted.answer({}, status=status)
    scripted.answer({"status": "finished"})
    await delete(meta)
    scripted.replies = []
    scripted.answer({}, status=status)
    scripted.answer({"status": "running"})
    with pytest.raises((ConflictError, InvalidRequestError)):
        await delete(meta)


async def test_cookies_are_not_kept(scripted: ScriptedServer) -> None:
    """What one caller was given does not go out with the next one's request."""
    scripted.answer({"status": "running"}, headers="Set-Cookie: session=theirs\r\n")
    await get(scripted)
    await get(scripted)
    assert "cookie" not in scripted.requests[1].lower()


async def test_an_evil_text_stays_one_line(scripted: ScriptedServer) -> None:
    """Neither line breaks nor a long page get into an error or a job's message."""
    scripted.answer({"error": "a\nb" * 5000}, status="400 Bad Request")
    with pytest.raises(InvalidRequestError) as caught:
        await get(scripted)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500
    scripted.replies = []
    scripted.answer({"status": "failed", "message": "a\nb" * 5000})
    message = (await get(scripted)).message
    assert "\n" not in message
    assert len(message) == 1000


def test_a_new_event_loop_gets_its_own_client(scripted_elsewhere: ScriptedServer) -> None:
    """A connector that is moved to another loop goes on, and loops leave no socket behind."""
    scripted_elsewhere.answer({"status": "running"})
    for _ in range(3):
        resource = asyncio.run(get(scripted_elsewhere))
        assert resource.phase == Phase.RUNNING
