"""The reference service as a real process, a service gone wrong, and data sets to train on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from typing_extensions import Self

PATIENCE_SECONDS = 60.0


class ServiceProcess:
    """`flyte-model-training serve` on a port of its own choice."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start, or start again, on the same data."""
        command = [sys.executable, "-m", "flyte_connectors_model_training.service", "serve"]
        self._process = subprocess.Popen(
            [*command, "--data-dir", str(self.data_dir), "--port", "0", *self._options],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        self.endpoint = self._process.stdout.readline().split()[-1]
        self.client = httpx.Client(base_url=self.endpoint.removesuffix("/jobs"), timeout=30)

    def kill(self, *, with_workers: bool = True) -> None:
        """Send SIGKILL, to all of its processes or to itself alone."""
        assert self._process
        send = os.killpg if with_workers else os.kill
        send(self._process.pid, signal.SIGKILL)
        self._ended()

    def terminate(self) -> None:
        """Send SIGTERM and wait for the end."""
        assert self._process
        self._process.terminate()
        self._ended()

    def _ended(self) -> None:
        assert self._process
        self._process.wait(PATIENCE_SECONDS)
        assert self._process.stdout
        self._process.stdout.close()
        self.client.close()

    def submit(self, **spec: Any) -> dict[str, Any]:
        """Submit a job; answers it."""
        reply = self.client.post("/jobs", json=spec)
        assert reply.is_success, reply.text
        return reply.json()

    def job(self, job_id: str) -> dict[str, Any]:
        """Answer the job's JSON."""
        return self.client.get(f"/jobs/{job_id}").raise_for_status().json()

    def wait_for(self, job_id: str, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Poll the job until `is_reached`; answers it."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not is_reached(job := self.job(job_id)):
            assert time.monotonic() < give_up, f"still waiting: {job}"
            assert job["ended_at"] is None, f"ended before: {job}"
            time.sleep(0.02)
        return job

    def ended(self, job_id: str) -> dict[str, Any]:
        """Wait for the job's end; answers it."""
        return self.wait_for(job_id, lambda job: job["ended_at"] is not None)


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator allows this machine's own services."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS", "127.0.0.1")


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Start services that end with the test."""
    started: list[ServiceProcess] = []

    def start(*options: str) -> ServiceProcess:
        started.append(ServiceProcess(tmp_path / "data", *options))
        return started[-1]

    yield start
    for process in started:
        process.terminate()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service that all tests share; jobs have different ids."""
    process = ServiceProcess(tmp_path_factory.mktemp("service"), "--workers", "2")
    yield process
    process.terminate()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits data set of scikit-learn as CSV: 1797 rows, 64 features, 10 classes."""
    return _write(tmp_path_factory.mktemp("digits") / "digits.csv", *load_digits(return_X_y=True))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose epochs take about 50 ms: room to interrupt a training."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20_000, 20)).round(3)
    labels = (features @ generator.normal(size=(20, 4))).argmax(axis=1)
    return _write(tmp_path_factory.mktemp("large") / "large.csv", features, labels)


def _write(path: Path, features: Any, labels: Any) -> Path:
    columns = {f"x{index}": column for index, column in enumerate(features.T)}
    csv.write_csv(pa.table({**columns, "label": labels}), path)
    return path


class ScriptedServer:
    """A TCP server that answers as scripted, byte by byte: what no proper service does.

    Attributes:
        replies: One per request, the last one for ever: bytes, or a coroutine function that gets
            the stream writer.
        requests: What was received.
    """

    def __init__(self) -> None:
        self._answering: set[asyncio.Task[None]] = set()
        self.replies: list[Any] = []
        self.requests: list[str] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}/jobs"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    def answer(self, *bodies: Any, status: str = "200 OK", headers: str = "") -> None:
        """Script replies with JSON bodies."""
        for body in bodies:
            content = json.dumps(body).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}"
            self.replies.append(f"{head}Connection: close\r\n\r\n".encode() + content)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._answering.add(task)
        try:
            await self._answer_one(reader, writer)
        finally:
            self._answering.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.requests.append(head + body.decode())
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        with contextlib.suppress(ConnectionError):
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(writer)


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    """A server to be scripted."""
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
def scripted_elsewhere() -> Iterator[ScriptedServer]:
    """A server to be scripted, on an event loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ScriptedServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
