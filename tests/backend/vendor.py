"""An external job service: a small HTTP server process that fails on demand.

    PUT    /jobs/KEY        start the job KEY, or find it started; the same KEY is the same job
    POST   /jobs            start a job under a fresh id; twice is two jobs
    GET    /jobs/ID         state of the job, with its result once it has succeeded
    DELETE /jobs/ID         cancel; 404 for a job it does not know

    PUT    /control/faults  a `Faults` as JSON: what goes wrong from now on
    GET    /control/jobs    every job that ever existed, forgotten ones too
    GET    /control/calls   how many calls arrived and how each was answered

Calls under /control are never faulted. A job is told which task and attempt it is for, so that
duplicates can be counted whatever the key. `python -m tests.backend.vendor` listens on a free
loopback port and prints its address.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import time
import uuid
import zlib
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flyteidl2.core.literals_pb2 import Literal, Primitive, Scalar
from flyteidl2.task.common_pb2 import NamedLiteral, Outputs

FAILURES = ("500", "503", "429", "reset", "lost_reply")
"""The ways in which a failing call fails, drawn with equal chance."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong, as shares of the calls (0 to 1) and times in seconds.

    Attributes:
        failing: Calls that fail, in one of the ways of `FAILURES`.
        hanging: Calls that get no answer for `hang_seconds`.
        slow_creates: Creates that are accepted half way through `slow_seconds`, answered after it.
        refused: Tasks whose creates are refused (400), at the end of `slow_seconds`; see `refuses`.
        forgotten: Deletes that come too late: the job has ended and been forgotten, so 404.
        seed: Of the draws.
    """

    failing: float = 0.0
    hanging: float = 0.0
    hang_seconds: float = 30.0
    slow_creates: float = 0.0
    slow_seconds: float = 0.0
    refused: float = 0.0
    forgotten: float = 0.0
    seed: int = 0


def refuses(task: str, share: float) -> bool:
    """Whether this task is among the share that the vendor refuses: always the same ones."""
    return zlib.crc32(task.encode()) % 1000 < 1000 * share


@dataclass
class Job:
    """An external job. It succeeds `seconds` after its start, unless it was cancelled."""

    id: str
    task: str
    attempt: int
    value: int
    seconds: float
    outputs_uri: str = ""
    started: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    forgotten: bool = False

    @property
    def state(self) -> str:
        if self.forgotten:
            return "forgotten"
        if self.cancelled:
            return "cancelled"
        return "succeeded" if time.monotonic() - self.started >= self.seconds else "running"

    def describe(self) -> dict[str, Any]:
        done = self.state == "succeeded"
        return {"id": self.id, "state": self.state} | (self.result() if done else {})

    def result(self) -> dict[str, Any]:
        """The result itself, or nothing for a job that leaves it in `<outputs_uri>/outputs.pb`."""
        if not self.outputs_uri:
            return {"result": {"double": 2 * self.value, "label": self.task}}
        path = Path(self.outputs_uri) / "outputs.pb"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.outputs().SerializeToString())
        return {}

    def outputs(self) -> Outputs:
        def named(name: str, **value: Any) -> NamedLiteral:
            return NamedLiteral(name=name, value=Literal(scalar=Scalar(primitive=Primitive(**value))))

        return Outputs(
            literals=[
                named("label", string_value=self.task),
                named("double", integer=2 * self.value),
            ]
        )


class NoReplyError(Exception):
    """The connection closes without an answer."""


class Vendor:
    """The jobs, the faults and the call log."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.calls: Counter[str] = Counter()
        self.faults = Faults()
        self.draw = random.Random(0)

    async def answer(self, method: str, path: str, body: dict[str, Any], caller: str) -> tuple[HTTPStatus, Any]:
        """The reply to one call: status and JSON body."""
        if path.startswith("/control/"):
            return HTTPStatus.OK, self.control(path, body)
        failure = FAILURES[self.draw.randrange(5)] if self.draws(self.faults.failing) else ""
        if self.draws(self.faults.hanging):
            self.calls[f"{method} hang"] += 1
            await asyncio.sleep(self.faults.hang_seconds)
        if failure.isdigit():
            self.calls[f"{method} {failure}"] += 1
            # Services do echo the credentials of a failed call; whoever passes this on leaks them.
            return HTTPStatus(int(failure)), {"error": f"can't serve the call of {caller!r}"}
        if failure == "reset":
            self.calls[f"{method} reset"] += 1
            raise NoReplyError
        status, reply = await self.act(method, path, body)
        self.calls[f"{method} {failure or status.value}"] += 1
        if failure == "lost_reply":
            raise NoReplyError
        return status, reply

    def draws(self, share: float) -> bool:
        return share > 0 and self.draw.random() < share

    async def act(self, method: str, path: str, body: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
        key = path.removeprefix("/jobs").removeprefix("/")
        if method in {"PUT", "POST"}:
            pause = self.faults.slow_seconds / 2 if self.draws(self.faults.slow_creates) else 0
            if refuses(body["task"], self.faults.refused):
                await asyncio.sleep(self.faults.slow_seconds)
                return HTTPStatus.BAD_REQUEST, {"error": "the quota does not allow this job"}
            await asyncio.sleep(pause)
            job = self.jobs.setdefault(key, Job(id=key, **body)) if key else self.add(body)
            await asyncio.sleep(pause)
            return HTTPStatus.CREATED, job.describe()
        found = self.jobs.get(key)
        if found and method == "DELETE":
            found.forgotten |= self.draws(self.faults.forgotten)
        if found is None or found.forgotten:
            return HTTPStatus.NOT_FOUND, {"error": f"no job {key!r}"}
        if method == "DELETE" and found.state == "running":
            found.cancelled = True
        return HTTPStatus.OK, found.describe()

    def add(self, body: dict[str, Any]) -> Job:
        job = Job(id=uuid.uuid4().hex, **body)
        return self.jobs.setdefault(job.id, job)

    def control(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/control/faults":
            self.faults = Faults(**body)
            self.draw = random.Random(self.faults.seed)
        elif path == "/control/jobs":
            return [dataclasses.asdict(job) | {"state": job.state} for job in self.jobs.values()]
        elif path == "/control/calls":
            return self.calls
        return {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One call per connection (HTTP/1.1 with `Connection: close`)."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            status, reply = await self.answer(method, path, json.loads(body or b"{}"), headers.get("authorization", ""))
            content = json.dumps(reply).encode()
            writer.write(
                f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
                f"Content-Length: {len(content)}\r\n\r\n".encode()
                + content
            )
            await writer.drain()
        except (NoReplyError, ConnectionError, asyncio.IncompleteReadError):
            pass  # the caller is gone, or is to believe that we are
        finally:
            writer.close()


async def main() -> None:
    server = await asyncio.start_server(Vendor().serve, "127.0.0.1", 0, backlog=1024)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
