"""The service in a separate process, and data sets to train on, for tests of its clients.

Import the fixtures in a `conftest.py`; this module needs the extra `testing`:

    from flyte_connectors_training_service.testing import digits, service  # noqa: F401
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
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

    from typing_extensions import Self

__all__ = ["ServiceProcess", "digits", "large", "new_service", "service"]

_TIMEOUT_SECONDS = 60.0


class ServiceProcess:
    """`flyte-model-training serve` on a free port of 127.0.0.1, terminated at the end of a `with` block.

    Args:
        data_dir: Its jobs.
        options: Further options of the command.

    Attributes:
        endpoint: Where jobs are submitted.
        client: Sends requests to the service, by paths such as `/jobs`.
    """

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir = data_dir
        self._options = options
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    def start(self) -> None:
        """Start, or start again on the same data and another port."""
        command = [sys.executable, "-m", __package__, "serve", "--data-dir", str(self.data_dir)]
        self._process = subprocess.Popen(  # noqa: S603, our own command
            [*command, "--port", "0", *self._options],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the training service did not start; see its output"
        self.endpoint = line.split()[-1]
        self.client = httpx.Client(base_url=self.endpoint.removesuffix("/jobs"), timeout=30)

    @property
    def pid(self) -> int:
        """The id of the service's process."""
        return self._process.pid

    def kill(self, *, with_workers: bool = True) -> None:
        """Send SIGKILL to all of its processes, or to the service alone."""
        send = os.killpg if with_workers else os.kill
        send(self._process.pid, signal.SIGKILL)
        self._reap()

    def terminate(self) -> None:
        """Send SIGTERM and wait until the process has ended."""
        self._process.terminate()
        self._reap()

    def _reap(self) -> None:
        self._process.wait(_TIMEOUT_SECONDS)
        assert self._process.stdout
        self._process.stdout.close()
        self.client.close()

    def submit(self, **spec: Any) -> dict[str, Any]:
        """Submit a job, and return it as the service shows it."""
        reply = self.client.post("/jobs", json=spec)
        assert reply.is_success, reply.text
        return dict(reply.json())

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job as the service shows it."""
        return dict(self.client.get(f"/jobs/{job_id}").raise_for_status().json())

    def wait_for(
        self,
        job_id: str,
        is_reached: Callable[[dict[str, Any]], bool],
        poll_seconds: float = 0.02,
    ) -> dict[str, Any]:
        """Poll a job until `is_reached`, and return it; fails if the job ends before that."""
        give_up = time.monotonic() + _TIMEOUT_SECONDS
        while not is_reached(job := self.job(job_id)):
            assert time.monotonic() < give_up, f"still waiting: {job}"
            assert job["ended_at"] is None, f"ended before: {job}"
            time.sleep(poll_seconds)
        return job

    def ended(self, job_id: str, poll_seconds: float = 0.02) -> dict[str, Any]:
        """Poll a job until it has ended, and return it."""
        return self.wait_for(job_id, lambda job: job["ended_at"] is not None, poll_seconds)


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Start services that end with the test, on data of one folder; takes options of the command."""
    with ExitStack() as started:
        yield lambda *options: started.enter_context(ServiceProcess(tmp_path / "data", *options))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service that all tests share; their jobs need different ids."""
    with ServiceProcess(tmp_path_factory.mktemp("service"), "--workers", "2") as process:
        yield process


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits data set of scikit-learn as CSV: 1797 rows, 64 features, 10 classes."""
    return _write(tmp_path_factory.mktemp("digits") / "digits.csv", *load_digits(return_X_y=True))


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose epochs take about 50 ms: time to interrupt a training."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20_000, 20)).round(3)
    labels = (features @ generator.normal(size=(20, 4))).argmax(axis=1)
    return _write(tmp_path_factory.mktemp("large") / "large.csv", features, labels)


def _write(path: Path, features: Any, labels: Any) -> Path:
    columns = {f"x{index}": column for index, column in enumerate(features.T)}
    csv.write_csv(pa.table({**columns, "label": labels}), path)
    return path
