"""A training service of quite another API, driven by a `TrainingApi` alone."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flyte_connectors import File, Phase
from flyte_connectors.endpoints import unrestricted
from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyte_connectors_model_training import (
    Auth,
    ModelTrainingConnector,
    ModelTrainTask,
    TrainingApi,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = bytes(range(256)) * 5000
TOKEN = "token-of-the-nested-service"
API = TrainingApi(
    fields={"dataset_uri": "input.data.uri", "epochs": "config.max_epochs", "seed": "config.seed"},
    hyperparameters="config.params",
    job_id="run.id",
    chosen_job_id="run.name",
    status="run.state.label",
    message="run.state.detail",
    results="run.artifacts.model.href",
    scores="run.summary",
    outputs={"report": "run.artifacts.report.href", "steps": "run.summary.steps"},
    epoch="run.progress.done",
    epochs="run.progress.total",
    loss="",
    dashboard="run.links.web",
    job_path="/{job_id}/status",
    cancel_path="/{job_id}/actions/stop",
    cancel_method="POST",
    cancel_body={"reason": "cancelled by Flyte"},
    logs_path="/{job_id}/logs",
    logs_query={"cursor": "{token}", "max": "{limit}"},
    logs_lines="page.entries",
    logs_text="text",
    logs_next="page.next",
    logs_complete="",
    metrics_path="/{job_id}/history",
    metrics_epochs="history.points",
    metrics_time="at",
    statuses={"Cooking in the oven": "RUNNING", "Ready to serve": "SUCCEEDED"},
)


class NestedService(ThreadingHTTPServer):
    """A service whose bodies nest, that is cancelled by POST, says states in words, and pages its log."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}/v2/runs"
        self.submitted: list[Any] = []
        self.stopped: list[Any] = []
        self.unauthorized = 0
        self.label = "Ready to serve"
        self.model = ""
        self.lines = [f"line {number}" for number in range(7)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: NestedService

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.server.unauthorized += 1
            self._send(401, b"{}")
            return
        url = urlsplit(self.path)
        run, _, what = url.path.removeprefix("/v2/runs").strip("/").partition("/")
        if self.command == "POST" and not run:
            self.server.submitted.append(json.loads(body))
            self._reply({"run": {"id": self.server.submitted[-1]["run"]["name"]}})
        elif what == "status":
            self._reply(self._status(run))
        elif what == "actions/stop" and self.command == "POST":
            self.server.stopped.append((run, json.loads(body)))
            self.server.label = "cancelled"
            self._reply({})
        elif what == "logs":
            self._reply({"page": self._page(parse_qs(url.query))})
        elif what == "history":
            self._reply({"history": {"points": [{"at": 1700000000, "loss": 0.5}, {"loss": 0.25}]}})
        elif what == "files/model.bin":
            self._send(200, MODEL)
        else:
            self._send(404, b'{"error": "no such path"}')

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def _status(self, run: str) -> Any:
        is_done = self.server.label == "Ready to serve"
        href = self.server.model or f"{self.server.endpoint}/{run}/files/model.bin"
        model = {"href": href} if is_done else None
        return {
            "run": {
                "state": {"label": self.server.label, "detail": "smells good"},
                "artifacts": {"model": model},
                "summary": {"auc": 0.875, "steps": 12, "note": "good"},
                "progress": {"done": 3, "total": 4},
                "links": {"web": "https://train.example.org/run"},
            }
        }

    def _page(self, query: dict[str, list[str]]) -> Any:
        start = int(query.get("cursor", ["t0"])[0].removeprefix("t"))
        end = min(start + min(int(query["max"][0]), 3), len(self.server.lines))
        entries = [{"text": line} for line in self.server.lines[start:end]]
        return {"entries": entries, "next": f"t{end}" if end < len(self.server.lines) else None}

    def _reply(self, body: Any) -> None:
        self._send(200, json.dumps(body).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def nested(monkeypatch: pytest.MonkeyPatch) -> Iterator[NestedService]:
    """The service, and its token as a secret."""
    monkeypatch.setenv("FLYTE_SECRET_NESTED_TOKEN", TOKEN)
    with NestedService() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield server
        server.shutdown()


def task_on(nested: NestedService, **options: Any) -> ModelTrainTask:
    """A task on the service."""
    return ModelTrainTask("train", nested.endpoint, api=API, auth=Auth("nested-token"), **options)


def test_inputs_and_outputs_are_where_the_service_has_them(nested: NestedService) -> None:
    """Bodies nest, parameters of the task among them; a number, a whole number, a text, and the model."""
    task = task_on(
        nested,
        inputs={"dataset_uri": str, "epochs": int, "seed": int, "depth": int},
        outputs={
            "model": File,
            "auc": float,
            "steps": int,
            "note": str,
            "scores": dict[str, float],
        },
        parameters={"config": {"params": {"rate": 0.5}}, "input": {"data": {"format": "csv"}}},
    )
    trained = task(dataset_uri="s3://bucket/data.csv", epochs=4, seed=7, depth=2)
    submitted = nested.submitted[0]
    assert re.fullmatch(r"[a-z0-9-]+", submitted["run"].pop("name"))
    assert submitted == {
        "run": {},
        "input": {"data": {"uri": "s3://bucket/data.csv", "format": "csv"}},
        "config": {"max_epochs": 4, "seed": 7, "params": {"rate": 0.5, "depth": 2}},
    }
    assert (trained.auc, trained.steps, trained.note) == (0.875, 12, "good")
    assert trained.scores == {"auc": 0.875, "steps": 12.0}
    with trained.model.open_sync("rb") as file:
        assert file.read() == MODEL
    assert nested.unauthorized == 0


async def started(nested: NestedService, label: str, prefix: str = "") -> Any:
    """A job in a state, and its meta."""
    nested.label = label
    inputs = {"epochs": 1, "dataset_uri": "s3://bucket/data.csv"}
    return await ModelTrainingConnector().create(
        task_on(nested).to_proto(),
        prefix,
        inputs,
        idempotency_key="key-1",
        training_credential=TOKEN,
    )


async def test_a_state_in_words_is_known(nested: NestedService) -> None:
    """By `statuses`; progress, message and link come from where they nest."""
    meta = await started(nested, "Cooking in the oven")
    resource = await ModelTrainingConnector().get(meta, training_credential=TOKEN)
    assert (resource.phase, resource.message) == (Phase.RUNNING, "smells good")
    assert resource.custom_info == {"epoch": 3, "epochs": 4, "progress": 0.75}
    assert [link.uri for link in resource.log_links] == ["https://train.example.org/run"]


async def test_a_job_is_cancelled_by_post(nested: NestedService) -> None:
    """With the body that the service wants."""
    meta = await started(nested, "Cooking in the oven")
    for _ in range(2):
        await ModelTrainingConnector().delete(meta, training_credential=TOKEN)
    assert nested.stopped == [("key-1", {"reason": "cancelled by Flyte"})] * 2
    resource = await ModelTrainingConnector().get(meta, training_credential=TOKEN)
    assert resource.phase == Phase.ABORTED


async def read(meta: Any, token: str, lines: int) -> tuple[list[str], str | None]:
    """A page of the log, and the token of the next one."""
    found: list[str] = []
    following = None
    async for reply in ModelTrainingConnector().get_logs(meta, token, lines, training_credential=TOKEN):
        found += [line.message for line in reply.body.lines]
        following = reply.header.token or following
    return found, following


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_pages_of_the_log_give_every_line_once(nested: NestedService, limit: int) -> None:
    """Over pages that the service names by tokens, and while the last page grows."""
    meta = await started(nested, "Cooking in the oven")
    seen: list[str] = []
    token: str | None = ""
    for _ in range(10):
        lines, token = await read(meta, token or "", limit)
        seen += lines
    assert seen == nested.lines
    nested.lines += ["line 7", "line 8", "line 9"]
    nested.label = "Ready to serve"
    while token is not None:
        lines, token = await read(meta, token, limit)
        seen += lines
    assert seen == [f"line {number}" for number in range(10)]
    with pytest.raises(InvalidRequestError, match="is not a page of this log"):
        await read(meta, "17", limit)


async def test_metrics_are_timed_by_the_services_own_field(nested: NestedService) -> None:
    """Points without a time have none."""
    meta = await started(nested, "Ready to serve")
    reply = await ModelTrainingConnector().get_metrics(meta, training_credential=TOKEN)
    assert [result.metric for result in reply.results] == ["loss"]
    values = reply.results[0].data["result"][0]["values"]
    assert [list(value) for value in values] == [[1700000000, "0.5"], [0, "0.25"]]


async def test_a_service_copies_to_object_stores_only(nested: NestedService, tmp_path: Path) -> None:
    """A request may name a prefix on the disk of the connector service: nothing is written there."""
    meta = await started(nested, "Ready to serve", tmp_path.as_uri())
    resource = await ModelTrainingConnector().get(meta, training_credential=TOKEN)
    assert resource.outputs["results"].path.startswith(nested.endpoint)
    assert not (tmp_path / "key-1").exists()
    with unrestricted():
        meta = await started(nested, "Ready to serve", tmp_path.as_uri())
        resource = await ModelTrainingConnector().get(meta, training_credential=TOKEN)
    assert resource.outputs["results"].path == f"{tmp_path.as_uri()}/key-1/results/model.bin"


@pytest.mark.usefixtures("object_stores")
async def test_a_copy_that_takes_long_goes_on_between_calls(
    nested: NestedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call answers in time; the job runs until its files are there."""
    monkeypatch.setattr("flyte_connectors_model_training.copies.CALL_SECONDS", 0.0)
    meta = await started(nested, "Ready to serve", "s3://bucket/slow")
    phases = set()
    for _ in range(500):
        resource = await ModelTrainingConnector().get(meta, training_credential=TOKEN)
        phases.add(resource.phase)
        if resource.outputs:
            break
        assert resource.message == "copying results to s3://bucket/slow/key-1"
    assert phases == {Phase.RUNNING, Phase.SUCCEEDED}
    with resource.outputs["results"].open_sync("rb") as file:
        assert file.read() == MODEL


@pytest.mark.parametrize("link", ["http://169.254.169.254/model.bin", "https://elsewhere.example.net/a?signature=x"])
@pytest.mark.usefixtures("object_stores")
async def test_a_link_that_is_not_allowed_is_left_as_it_is(nested: NestedService, link: str) -> None:
    """A service decides what it links to; the operator, where requests go."""
    nested.model = link
    meta = await started(nested, "Ready to serve", "s3://bucket/links")
    resource = await ModelTrainingConnector().get(meta, training_credential=TOKEN)
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs["results"].path == link


def test_a_declared_file_that_the_service_has_not_fails_the_task(nested: NestedService) -> None:
    """With its name."""
    task = task_on(nested, outputs={"report": File})
    with pytest.raises(TaskFailedError, match="its report are not a file: None"):
        task(epochs=1, dataset_uri="s3://bucket/data.csv")
