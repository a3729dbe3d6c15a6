"""A fake of Render: real HTTP, jobs in memory.

`python -m flyte_connectors_render.fake_service` serves it where the connector looks for it.

    POST /v2/renders           start one: {"scene": {"text": "a tree"}, "quality": {"samples": 64}}
                               under the header Idempotency-Key; answers {"id": "r1", ...}
    GET  /v2/renders/ID        {"id": "r1", "status": "drawing", "percent": 40, "picture": null, "error": null}
    POST /v2/renders/ID/stop   stop it; 409 if it has ended
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from flyte_connectors_render.client import endpoint

ACTIVE = ("waiting", "drawing")
ENDED = ("ready", "broken", "stopped")


@dataclasses.dataclass
class Job:
    """A picture that is drawn."""

    job_id: str
    body: dict[str, Any]
    began: float = dataclasses.field(default_factory=time.monotonic)
    status: str = "drawing"

    def go_on(self, seconds: float) -> int:
        """Do what was to do since the last look; return how much is done, in percent."""
        done = min(100, int(100 * (time.monotonic() - self.began) / seconds))
        if self.status == "drawing" and done == 100:
            self.status = "ready"
        return done

    def as_json(self, percent: int) -> dict[str, Any]:
        """The service's reply about the job."""
        is_ready = self.status == "ready"
        return {
            "id": self.job_id,
            "status": self.status,
            "percent": percent,
            "picture": f"https://pictures.example.org/{self.job_id}.png" if is_ready else None,
            "error": "the paint is empty" if self.status == "broken" else None,
        }


class FakeService:
    """The service, and what a test may do to it.

    Args:
        port: Where to listen on 127.0.0.1; 0 picks a port.
        seconds: How long it takes to draw a picture.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, port: int = 0, seconds: float = 2.0) -> None:
        self.seconds = seconds
        self._jobs: dict[str, Job] = {}
        self._keys: dict[str, str] = {}
        self._lock = threading.Lock()
        self._secrets: dict[str, str] = {}
        self._calls = 0
        self._refusal = 0
        self._loses_reply = False
        self._answers = threading.Event()
        self._answers.set()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.service = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def close(self) -> None:
        """End every call, and listen no more."""
        self._answers.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(
        self, method: str, url: str, headers: Mapping[str, str], body: Any
    ) -> tuple[int, Any] | None:
        """Status and content of the answer to a request; None for an answer that is lost."""
        with self._lock:
            self._calls += 1
        self._answers.wait()
        if self._refusal:
            return self._refusal, {"error": "refused"}
        path = urlsplit(url).path.removeprefix("/v2/").split("/")
        with self._lock:
            match method, path:
                case "POST", ["renders"]:
                    return self._submit(headers, body)
                case _, ["renders", job_id, *_] if job_id not in self._jobs:
                    return 404, {"error": f"no picture {job_id}"}
                case "GET", ["renders", job_id]:
                    self._secrets[job_id] = headers.get("X-Api-Key", "")
                    return 200, self._shown(job_id)
                case "POST", ["renders", job_id, "stop"]:
                    self._secrets[job_id] = headers.get("X-Api-Key", "")
                    if self._shown(job_id)["status"] in ENDED:
                        return 409, {"error": f"picture {job_id} has ended"}
                    self._jobs[job_id].status = "stopped"
                    return 200, self._shown(job_id)
        return 404, {"error": f"no {method} {url}"}

    def _submit(self, headers: Mapping[str, str], body: Any) -> tuple[int, Any] | None:
        key = headers["Idempotency-Key"]
        job_id = self._keys.setdefault(key, f"r{len(self._keys) + 1}")
        job = self._jobs.setdefault(job_id, Job(job_id, body))
        self._secrets[job_id] = headers.get("X-Api-Key", "")
        if job.body != body:
            return 409, {"error": f"the key {key} belongs to another picture"}
        if self._loses_reply:
            self._loses_reply = False
            return None
        return 201, self._shown(job_id)

    # What `flyte_connectors.testing` asks of a service that it tests a connector with:

    def jobs(self) -> dict[str, bool]:
        """Every job, and whether it still runs."""
        with self._lock:
            return {job_id: self._shown(job_id)["status"] in ACTIVE for job_id in self._jobs}

    def complete(self, job: str) -> None:
        """End a job as success."""
        self.set_state(job, "ready")

    def fail(self, job: str) -> None:
        """End a job as failure."""
        self.set_state(job, "broken")

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
        """The key that came with the last call about a job."""
        return self._secrets[job]

    def inputs_of(self, job: str) -> dict[str, object]:
        """What a job was given."""
        return {"scene": self._jobs[job].body["scene"]["text"]}

    def calls(self) -> int:
        """How many calls have come in, answered or not."""
        return self._calls

    def states(self) -> tuple[str, ...]:
        """Every state that a job may be in."""
        return (*ACTIVE, *ENDED)

    def set_state(self, job: str, state: str) -> None:
        """Put a job into a state."""
        self._jobs[job].status = state

    def _shown(self, job_id: str) -> dict[str, Any]:
        job = self._jobs[job_id]
        return job.as_json(job.go_on(self.seconds))


class _Server(ThreadingHTTPServer):
    service: FakeService
    request_queue_size = 100  # a client that finds a queue of the usual 5 full waits for a second


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _reply(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"null")
        answer = self.server.service.answer(self.command, self.path, dict(self.headers), body)
        if answer is None:
            return
        status, content = answer
        reply = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have gone
            self.wfile.write(reply)

    do_GET = do_POST = _reply

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    service = FakeService(urlsplit(endpoint()).port or 80)
    print(f"started on {service.url}, Ctrl-C ends it", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        service.close()
