"""Trainings obey the rules of every connector. The service is the reference service itself.

A front before it loses connections and replies on demand. It also hands out the data sets: a training
waits for its own until the test decides what becomes of it.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors.testing import ConnectorConformance
from flyte_connectors_model_training import Auth, ModelTrainingConnector, ModelTrainTask, Sweep
from flyte_connectors_model_training.training_service import KNOWN_STATUSES
from flyteidl2.connector.connector_pb2 import CreateTaskRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flyte_connectors_training_service.testing import ServiceProcess

HANG_SECONDS = 30.0
ROWS = "x,label\n" + "".join(f"{number},{number % 2}\n" for number in range(40))
CANARY = "training-canary-51c0"


class Front(ThreadingHTTPServer):
    """Before the service: rewrites what jobs say, and decides what they get to train on."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, process: ServiceProcess) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.process = process
        self.is_away = self.hangs = self.loses_reply = False
        self.status = 200
        self.seconds_ahead = 0.0
        self.call_count = 0
        self.stopping = threading.Event()
        self.started: set[str] = set()
        self.forgotten: set[str] = set()
        self.states: dict[str, str] = {}
        self.credentials: dict[str, str] = {}
        self.data: dict[str, str] = {}
        self.decided: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    def handle_error(self, *_: Any) -> None:
        """A client or a worker that has gone away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/data/"):
            self._send_data(self.path.removeprefix("/data/"))
            return
        self.server.call_count += 1
        if self.server.is_away:
            self.close_connection = True
        elif self.server.status != 200:
            self._reply(self.server.status, b'{"error": "because"}')
        elif self.server.hangs:
            self.server.stopping.wait(HANG_SECONDS)
            self.close_connection = True
        else:
            self._forward(body)

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def _send_data(self, job: str) -> None:
        self.server.decided[job].wait(HANG_SECONDS)
        data = self.server.data.get(job)
        self._reply(200 if data else 404, (data or "").encode())

    def _forward(self, body: bytes) -> None:
        if self.command == "GET" and self.path == "/jobs":
            self._send_list()
            return
        job = re.match(r"/jobs/([^/?]+)", self.path)
        if job and job[1] in self.server.forgotten:
            self._reply(404, json.dumps({"error": f"no job {job[1]!r}"}).encode())
            return
        if self.command == "POST":
            submission = json.loads(body)
            submission["dataset_uri"] += submission["job_id"]  # each job waits for data of its own
            self.server.started.add(submission["job_id"])
            body = json.dumps(submission).encode()
        name = job[1] if job else submission["job_id"]
        self.server.credentials[name] = self.headers["Authorization"]
        names = ("Host", "Content-Type", "Idempotency-Key")
        headers = {name: self.headers[name] for name in names if self.headers[name]}
        reply = self.server.process.client.request(self.command, self.path, content=body, headers=headers)
        if self.server.loses_reply and reply.is_success:
            self.server.loses_reply = False
            self.close_connection = True
        elif reply.is_success and (self.command == "POST" or self.path == job[0]):
            self._reply(reply.status_code, json.dumps(self._shown(reply.json())).encode())
        else:
            self._reply(reply.status_code, reply.content)

    def _send_list(self) -> None:
        jobs = self.server.process.client.get("/jobs").json()["jobs"]
        for job in jobs:
            self.server.credentials[job["job_id"]] = self.headers["Authorization"]
        shown = [self._shown(job) for job in jobs if job["job_id"] not in self.server.forgotten]
        self._reply(200, json.dumps({"jobs": shown}).encode())

    def _shown(self, job: dict[str, Any]) -> dict[str, Any]:
        job["status"] = self.server.states.get(job["job_id"], job["status"])
        for name in ("created_at", "started_at", "ended_at"):
            job[name] = job[name] and job[name] + self.server.seconds_ahead
        return job

    def _reply(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Silent."""


class TrainingJobs:
    """The reference service and its front, as the kit steers them."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._process = front.process
        self.url = front.url

    def jobs(self) -> dict[str, bool]:
        listed = self._process.client.get("/jobs").json()["jobs"]
        states = {job["job_id"]: job["ended_at"] is None for job in listed}
        # The trials of a sweep are the service's own.
        submitted = self._front.started - self._front.forgotten
        return {job: state for job, state in states.items() if job in submitted}

    def complete(self, job: str) -> None:
        self._front.data[job] = ROWS
        self._end(job)

    def fail(self, job: str) -> None:
        self._end(job)

    def forget(self, job: str) -> None:
        self._front.forgotten.add(job)
        self._process.client.delete(f"/jobs/{job}").raise_for_status()

    def go_away(self) -> None:
        self._front.is_away = True

    def hang(self) -> None:
        self._front.hangs = True

    def states(self) -> Sequence[str]:
        return list(KNOWN_STATUSES)

    def set_state(self, job: str, state: str) -> None:
        self._front.states[job] = state

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        log = self._process.data_dir / "jobs" / job / "train.log"
        if self._process.job(job)["sweep"] is None:
            self._process.wait_for(job, lambda _: log.exists() and "fetching" in log.read_text())
        else:  # it has no line before a trial has ended
            log.parent.mkdir(exist_ok=True)
        with log.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def lose_reply(self) -> None:
        self._front.loses_reply = True

    def refuse(self, status: int) -> None:
        self._front.status = status

    def inputs_of(self, job: str) -> dict[str, Any]:
        spec = self._process.job(job)["spec"]
        return {"epochs": spec["epochs"], "dataset_uri": spec["dataset_uri"].removesuffix(job)}

    def secret_of(self, job: str) -> str:
        return self._front.credentials[job]

    def calls(self) -> int:
        return self._front.call_count

    def set_clock(self, seconds: float) -> None:
        self._front.seconds_ahead = seconds

    def environment(self) -> dict[str, str]:
        return {}  # the variables of the core are set for this process and its children

    def _end(self, job: str) -> None:
        self._front.decided[job].set()
        self._process.ended(job)


class TestTrainings(ConnectorConformance):
    """The connector of task type `external_model_training`, with a bearer token."""

    @pytest.fixture
    def service(self, service: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingJobs]:
        monkeypatch.setenv("FLYTE_SECRET_TRAINING_TOKEN", CANARY)  # for logs, which bring none
        with Front(service) as front:
            thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            yield TrainingJobs(front)
            front.stopping.set()
            for job in front.started:
                service.client.delete(f"/jobs/{job}")
                front.decided[job].set()
            front.shutdown()
            thread.join()

    @pytest.fixture
    def connector(self) -> Callable[[], ModelTrainingConnector]:
        return ModelTrainingConnector

    @pytest.fixture
    def secrets(self) -> Mapping[str, str]:
        return {"training_credential": CANARY}

    @pytest.fixture
    def good_request(self, service: TrainingJobs) -> CreateTaskRequest:
        return _request(service.url)

    @pytest.fixture
    def bad_requests(self, service: TrainingJobs) -> Mapping[str, CreateTaskRequest]:
        requests = {
            "inputs.epochs": _request(service.url, epochs=0),
            "inputs.dataset_uri": _request(service.url, dataset_uri="irises"),
        }
        for field, custom in (
            ("custom.endpoint", {"endpoint": "no URL"}),
            ("custom.parameters", {"parameters": "fast"}),
            ("custom.auth.secret", {"auth": {"secret": 7}}),
            ("custom.colour", {"colour": "blue"}),
        ):
            requests[field] = _request(service.url)
            requests[field].template.custom.update(custom)
        return requests

    @pytest.fixture
    def other_request(self, service: TrainingJobs) -> CreateTaskRequest:
        return _request(service.url, epochs=2)

    @pytest.fixture
    def golden_metas(self) -> Mapping[bytes, Mapping[str, object]]:
        """Of the seed, which had these fields only."""
        meta = {"job_id": "a", "endpoint": "http://h/jobs"}
        return {json.dumps(meta).encode(): meta}


@pytest.mark.slow
class TestSweeps(TestTrainings):
    """The same connector with tasks that train many times."""

    @pytest.fixture
    def good_request(self, service: TrainingJobs) -> CreateTaskRequest:
        return _request(service.url, sweep=Sweep({"seed": [0, 1]}))

    @pytest.fixture
    def other_request(self, service: TrainingJobs) -> CreateTaskRequest:
        return _request(service.url, sweep=Sweep({"seed": [1, 2]}))


def _request(url: str, *, epochs: int = 1, dataset_uri: str = "", sweep: Sweep | None = None) -> CreateTaskRequest:
    """A training whose data the front hands out."""
    task = ModelTrainTask("train", f"{url}/jobs", auth=Auth("training-token"), sweep=sweep)
    inputs = {"epochs": epochs, "dataset_uri": dataset_uri or f"{url}/data/"}
    return CreateTaskRequest(template=task.to_proto(), inputs=task.interface.write_inputs("train", inputs))
