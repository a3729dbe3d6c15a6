"""The reference service as a real process, and data sets to train on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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
