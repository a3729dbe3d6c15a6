"""A fake of {{ cookiecutter.service }}: real HTTP, jobs in memory.

`python {{ '-m ' ~ cookiecutter.__fake_module if cookiecutter.fake_service else 'tests/fake_service.py' }}` serves it where the connector looks for it.

{% if cookiecutter.__jobs %}
    PUT    /jobs/ID          start a job: {"text": "Hello", "repeat": 3}
    GET    /jobs/ID          {"state": "RUNNING", "message": null, "outputs": null}
    DELETE /jobs/ID          cancel it
{% if cookiecutter.__get_many %}
    POST   /jobs/list        {"ids": ["ID"]} gives {"jobs": {"ID": {"state": ...}}}, of those that it knows
{% endif %}
{% endif %}
{% if cookiecutter.__logs %}
    GET    /jobs/ID/log      {"lines": ["Hello"], "is_complete": false}, from ?start=0 on, ?limit=9 at most
{% endif %}
{% if cookiecutter.__metrics %}
    GET    /jobs/ID/usage    {"times_said": 1}
{% endif %}
{% if cookiecutter.__quick %}
    POST   /estimates        {"repeat": 3} gives {"seconds": 3.0}
{% endif %}
"""

from __future__ import annotations

import contextlib
{% if cookiecutter.__jobs %}
import dataclasses
{% endif %}
import json
{% if cookiecutter.__functions %}
import shlex
import subprocess
{% endif %}
import threading
{% if cookiecutter.__jobs %}
import time
{% endif %}
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
{% if cookiecutter.__logs %}
from typing import TYPE_CHECKING, Any
{% else %}
from typing import Any
{% endif %}
from urllib.parse import {{ 'parse_qs, ' if cookiecutter.__logs else '' }}urlsplit

from {{ cookiecutter.__package }}.client import endpoint
{% if cookiecutter.__logs %}

if TYPE_CHECKING:
    from collections.abc import Sequence
{% endif %}
{% if cookiecutter.__jobs %}

ACTIVE = ("QUEUED", "RUNNING")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclasses.dataclass
class Job:
{% if cookiecutter.__functions %}
    """A job, which says its text a number of times, or runs it if it is a command: `$ ls`."""
{% else %}
    """A job, which says its text a number of times."""
{% endif %}

    text: str
    repeat: int
    began: float = dataclasses.field(default_factory=time.monotonic)
    said: int = 0
    state: str = "RUNNING"
    {% if cookiecutter.__logs %}
    log: list[str] = dataclasses.field(default_factory=list)
    {% endif %}
    {% if cookiecutter.__functions %}
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        """Start the command."""
        if self.text.startswith("$ "):
            self.process = subprocess.Popen(shlex.split(self.text)[1:])  # noqa: S603
    {% endif %}

    def go_on(self, seconds_per_text: float) -> None:
        """Do what was to do since the last look."""
        {% if cookiecutter.__functions %}
        if self.process is not None:
            code = self.process.poll()
            if code is not None and self.state == "RUNNING":
                self.state = "FAILED" if code else "SUCCEEDED"
            return
        {% endif %}
        due = int((time.monotonic() - self.began) / seconds_per_text)
        while self.state == "RUNNING" and self.said < due:
            self.said += 1
            {% if cookiecutter.__logs %}
            self.log.append(self.text)
            {% endif %}
            if self.said == self.repeat:
                self.state = "SUCCEEDED"

    def as_json(self) -> dict[str, Any]:
        """The service's reply about the job."""
        summary = {"summary": f"said {self.text!r} {self.repeat} times"}
        return {
            "state": self.state,
            "message": "the voice is gone" if self.state == "FAILED" else None,
            "outputs": summary if self.state == "SUCCEEDED" else None,
        }
{% endif %}


class FakeService:
    """The service, and what a test may do to it.

    Args:
        port: Where to listen on 127.0.0.1; 0 picks a port.
        seconds_per_text: How long it takes to say a text.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, port: int = 0, seconds_per_text: float = 1.0) -> None:
        self.seconds_per_text = seconds_per_text
        {% if cookiecutter.__jobs %}
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._calls = 0
        self._refusal = 0
        self._loses_reply = False
        self._answers = threading.Event()
        self._answers.set()
        {% endif %}
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.service = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def close(self) -> None:
        """End every call, and listen no more."""
        {% if cookiecutter.__jobs %}
        self._answers.set()
        {% endif %}
        self._server.shutdown()
        self._server.server_close()

    {% if cookiecutter.__jobs %}
    def answer(self, method: str, url: str, token: str, body: Any) -> tuple[int, Any] | None:
        """Status and content of the answer to a request; None for an answer that is lost."""
        with self._lock:
            self._calls += 1
        self._answers.wait()
        if self._refusal:
            return self._refusal, {"error": "refused"}
        parts = urlsplit(url)
        with self._lock:
            self._tokens[parts.path] = token
            match method, parts.path.split("/")[1:]:
                case "PUT", ["jobs", job_id]:
                    job = self._jobs.get(job_id) or Job(**body)
                    self._jobs[job_id] = job
                    if (job.text, job.repeat) != (body["text"], body["repeat"]):
                        return 409, {"error": f"job {job_id} says something else"}
                    if self._loses_reply:
                        self._loses_reply = False
                        return None
                    return 200, self._job(job_id).as_json()
                {% if cookiecutter.__get_many %}
                case "POST", ["jobs", "list"]:
                    self._tokens |= {f"/jobs/{job_id}": token for job_id in body["ids"]}
                    known = [job_id for job_id in body["ids"] if job_id in self._jobs]
                    return 200, {"jobs": {job_id: self._job(job_id).as_json() for job_id in known}}
                {% endif %}
                case _, ["jobs", job_id, *_] if job_id not in self._jobs:
                    return 404, {"error": f"no job {job_id}"}
                case "GET", ["jobs", job_id]:
                    return 200, self._job(job_id).as_json()
                case "DELETE", ["jobs", job_id]:
                    if self._job(job_id).state in ACTIVE:
                        self._jobs[job_id].state = "CANCELLED"
                        {% if cookiecutter.__functions %}
                        if process := self._jobs[job_id].process:
                            process.kill()
                        {% endif %}
                    return 200, self._job(job_id).as_json()
                {% if cookiecutter.__logs %}
                case "GET", ["jobs", job_id, "log"]:
                    job = self._job(job_id)
                    query = parse_qs(parts.query)
                    start, limit = int(query["start"][0]), int(query["limit"][0])
                    lines = job.log[start : start + limit]
                    ends = job.state in ENDED and start + len(lines) >= len(job.log)
                    return 200, {"lines": lines, "is_complete": ends}
                {% endif %}
                {% if cookiecutter.__metrics %}
                case "GET", ["jobs", job_id, "usage"]:
                    return 200, {"times_said": self._job(job_id).said}
                {% endif %}
                {% if cookiecutter.__quick %}
                case "POST", ["estimates"]:
                    return 200, {"seconds": body["repeat"] * self.seconds_per_text}
                {% endif %}
        return 404, {"error": f"no {method} {parts.path}"}
    {% else %}
    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and content of the answer to a request."""
        if (method, path) == ("POST", "/estimates"):
            return 200, {"seconds": body["repeat"] * self.seconds_per_text}
        return 404, {"error": f"no {method} {path}"}
    {% endif %}
{% if cookiecutter.__jobs %}

    # What `flyte_connectors.testing` asks of a service that it tests a connector with:

    def jobs(self) -> dict[str, bool]:
        """Every job, and whether it still runs."""
        with self._lock:
            return {job_id: self._job(job_id).state in ACTIVE for job_id in self._jobs}

    def complete(self, job: str) -> None:
        """End a job as success."""
        self.set_state(job, "SUCCEEDED")

    def fail(self, job: str) -> None:
        """End a job as failure."""
        self.set_state(job, "FAILED")

    def forget(self, job: str) -> None:
        """Lose a job."""
        del self._jobs[job]

    def go_away(self) -> None:
        """Refuse every call."""
        self.close()

    def hang(self) -> None:
        """Answer no call until it is closed."""
        self._answers.clear()

    def refuse(self, status: int) -> None:
        """Answer every call with this status."""
        self._refusal = status

    def lose_reply(self) -> None:
        """Accept the next job without saying so."""
        self._loses_reply = True

    def secret_of(self, job: str) -> str:
        """The token that came with the last call about a job."""
        return self._tokens[f"/jobs/{job}"]

    def inputs_of(self, job: str) -> dict[str, object]:
        """What a job was given."""
        return {"text": self._jobs[job].text}

    def calls(self) -> int:
        """How many calls have come in, answered or not."""
        return self._calls

    def states(self) -> tuple[str, ...]:
        """Every state that a job may be in."""
        return (*ACTIVE, *ENDED)

    def set_state(self, job: str, state: str) -> None:
        """Put a job into a state."""
        self._jobs[job].state = state
    {% if cookiecutter.__logs %}

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        """Add lines to a job's log."""
        self._jobs[job].log += lines
    {% endif %}

    def _job(self, job_id: str) -> Job:
        self._jobs[job_id].go_on(self.seconds_per_text)
        return self._jobs[job_id]
{% endif %}


class _Server(ThreadingHTTPServer):
    service: FakeService
    request_queue_size = 100  # a client that finds a queue of the usual 5 full waits for a second


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _reply(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"null")
        {% if cookiecutter.__jobs %}
        token = self.headers.get("Authorization", "")
        answer = self.server.service.answer(self.command, self.path, token, body)
        if answer is None:
            return
        status, content = answer
        {% else %}
        status, content = self.server.service.answer(self.command, self.path, body)
        {% endif %}
        reply = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have gone
            self.wfile.write(reply)

    {% if cookiecutter.__get_many or cookiecutter.__jobs and cookiecutter.__quick %}
    do_GET = do_PUT = do_DELETE = do_POST = _reply
    {% elif cookiecutter.__jobs %}
    do_GET = do_PUT = do_DELETE = _reply
    {% else %}
    do_POST = _reply
    {% endif %}

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    service = FakeService(urlsplit(endpoint()).port or 80)
    print(f"started on {service.url}, Ctrl-C ends it", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        service.close()
