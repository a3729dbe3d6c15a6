"""What is known of all jobs, whatever an API server answers: here one whose answers each test chooses."""

from __future__ import annotations

import http.server
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors.errors import AuthenticationError, ConnectorError, ServiceUnavailableError
from flyte_connectors_kubernetes.api_server import Access
from kube_cluster import wait_for

from flyte_connectors_batch_job.backends.kubernetes import mirror as module
from flyte_connectors_batch_job.backends.kubernetes.api import Api
from flyte_connectors_batch_job.backends.kubernetes.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def job(name: str, version: int, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": name, "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {}, "status": status}


def listed(*items: dict[str, Any], version: int = 1, following: str = "") -> dict[str, Any]:
    return {"items": items, "metadata": {"resourceVersion": str(version), "continue": following}}


class Server:
    """An API server that gives each question about jobs the next of its answers.

    An answer is a status and a JSON object, or a list of pieces of a watch. There are no pods, and after the last answer
    nothing changes any more.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any] | list[bytes]] = []
        self.asked: list[str] = []
        self.is_over = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def do_GET(self) -> None:
                if "/pods" in self.path:
                    self.answer([] if "watch=" in self.path else (200, listed()))
                    return
                server.asked.append(self.path)
                self.answer(server.answers.pop(0) if server.answers else [])

            def answer(self, answer: tuple[int, Any] | list[bytes]) -> None:
                if isinstance(answer, tuple):
                    body = json.dumps(answer[1]).encode()
                    self.send_response(answer[0])
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                    return
                self.send_response(200)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for piece in answer:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.flush()
                    time.sleep(0.01)
                if not answer:
                    server.is_over.wait(30)
                self.wfile.write(b"0\r\n\r\n")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def mirror(self) -> Mirror:
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return Mirror(Api(Access(url, "jobs", None, "the test"), "jobs"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "_PAUSES", (0.05,))
    server = Server()
    yield server
    module.UNUSED_SECONDS, usual = 0.0, module.UNUSED_SECONDS  # ends the mirror
    server.is_over.set()
    time.sleep(0.2)
    module.UNUSED_SECONDS = usual
    server.server.shutdown()
    server.server.server_close()


def event(kind: str, item: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def soon(condition: Callable[[], Any]) -> Any:
    """The first true answer; errors are what a poll repeats."""

    def tried() -> Any:
        try:
            return condition()
        except ConnectorError:
            return None

    return wait_for(tried, "the mirror", 15)


def complete(mirror: Mirror, name: str) -> bool:
    record = mirror.job(name)
    return record is not None and record.ended == "Complete"


COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}


def test_jobs_are_listed_in_pages_and_then_watched(server: Server) -> None:
    """From the version of the list on, however the changes are cut into pieces."""
    changes = event("MODIFIED", job("a", 8, **COMPLETE)) + event("DELETED", job("b", 9))
    server.answers = [
        (200, listed(job("a", 1), version=7, following="more")),
        (200, listed(job("b", 2), version=7)),
        [changes[start : start + 5] for start in range(0, len(changes), 5)],
    ]
    mirror = server.mirror()
    assert mirror.job("a")
    soon(lambda: complete(mirror, "a") and mirror.job("b") is None)
    assert "continue=more" in server.asked[1]
    assert "resourceVersion=7" in server.asked[2]
    wait_for(lambda: len(server.asked) == 4, "the next watch")
    assert "resourceVersion=9" in server.asked[3]


@pytest.mark.parametrize(
    "expired",
    [
        [event("ERROR", {"kind": "Status", "code": 410})],
        (410, {"kind": "Status", "message": "too old resource version"}),
    ],
)
def test_a_version_that_is_too_old_is_followed_by_a_new_list(server: Server, expired: Any) -> None:
    """Both ways in which servers say so."""
    done = listed(job("a", 9, **COMPLETE), version=9)
    server.answers = [(200, listed(job("a", 1), version=1)), expired, (200, done)]
    mirror = server.mirror()
    soon(lambda: complete(mirror, "a"))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((401, {"message": "Unauthorized"}), AuthenticationError),
        ((503, {"message": "etcd is down"}), ServiceUnavailableError),
        ((200, {"items": [{}], "metadata": {}}), ServiceUnavailableError),
    ],
)
def test_an_answer_without_jobs_is_an_error_until_the_next(
    server: Server, answer: Any, kind: type[ConnectorError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Polls fail at once meanwhile; no answer ends the mirror."""
    monkeypatch.setattr(module, "_PAUSES", (1.0,))
    server.answers = [answer, (200, listed(job("a", 1)))]
    mirror = server.mirror()
    with pytest.raises(kind):
        mirror.job("a")
    assert soon(lambda: mirror.job("a"))


def test_a_first_list_that_takes_long_holds_up_no_thread(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first callers wait for it; later ones get their answer at once."""
    monkeypatch.setattr(module, "READY_SECONDS", 0.3)
    server.answers = [[]]
    mirror = server.mirror()
    with pytest.raises(ServiceUnavailableError, match="has not yet listed"):
        mirror.job("a")
    begun = time.monotonic()
    with pytest.raises(ServiceUnavailableError):
        mirror.job("a")
    assert time.monotonic() - begun < 0.1
