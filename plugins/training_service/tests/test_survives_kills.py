"""A training that is killed goes on, and ends with the same model."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import skops.io

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyte_connectors_training_service.testing import ServiceProcess

EPOCHS = 30
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]  # each start loads scikit-learn anew


def arrays_of(service: ServiceProcess, job: dict[str, Any]) -> list[Any]:
    """Answer all numbers of the trained model."""
    model = service.client.get(f"/jobs/{job['job_id']}/results").content
    scaler, classifier = skops.io.loads(model)
    return [scaler.mean_, scaler.scale_, classifier.coef_, classifier.intercept_, classifier.t_]


def measures_of(service: ServiceProcess, job_id: str) -> list[dict[str, float]]:
    """Answer what was measured in each epoch; its time is none of the model's."""
    epochs = service.client.get(f"/jobs/{job_id}/metrics").json()["epochs"]
    return [{name: epoch[name] for name in epoch if name != "ended_at"} for epoch in epochs]


def worker_of(job_id: str, service: ServiceProcess) -> int:
    """Answer the id of the process that holds the job's lock open."""
    lock = service.data_dir / "jobs" / job_id / "lock"
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if descriptor.readlink() == lock:
                return int(descriptor.parts[2])
        except OSError:
            continue
    pytest.fail(f"no process works on {job_id}")


@pytest.mark.parametrize(
    ("with_workers", "kill_at"),
    [(True, (0, 3, 6, 10, 15)), (False, (2, 9))],
    ids=["five-times-with-workers", "twice-without-workers"],
)
def test_a_killed_service_ends_with_the_same_model(
    new_service: Callable[..., ServiceProcess],
    large: Path,
    with_workers: bool,
    kill_at: tuple[int, ...],
) -> None:
    """SIGKILL after any of these epochs leaves no trace in the model or its epochs."""
    service = new_service("--workers", "1")
    service.submit(job_id="calm", dataset_uri=large.as_uri(), epochs=EPOCHS)
    calm = service.ended("calm")
    service.submit(job_id="killed", dataset_uri=large.as_uri(), epochs=EPOCHS)
    for epoch in kill_at:
        service.wait_for("killed", lambda job, epoch=epoch: job["epoch"] >= epoch)
        service.kill(with_workers=with_workers)
        service.start()
    killed = service.ended("killed")

    assert killed["status"] == "finished"
    for expected, actual in zip(arrays_of(service, calm), arrays_of(service, killed), strict=True):
        np.testing.assert_array_equal(actual, expected)
    log = "\n".join(service.client.get("/jobs/killed/logs").json()["lines"])
    assert log.count("resuming after epoch") >= len(kill_at) - 1  # there is none after epoch 0
    assert measures_of(service, "killed") == measures_of(service, "calm")


def test_a_killed_worker_is_replaced(new_service: Callable[..., ServiceProcess], large: Path) -> None:
    """The service notices, and the job goes on after its last epoch."""
    service = new_service("--workers", "1")
    service.submit(job_id="job", dataset_uri=large.as_uri(), epochs=EPOCHS)
    service.wait_for("job", lambda job: job["epoch"] >= 2)
    os.kill(worker_of("job", service), signal.SIGKILL)
    assert service.ended("job")["status"] == "finished"
    assert "resuming after epoch" in str(service.client.get("/jobs/job/logs").json()["lines"])


def test_a_worker_that_dies_in_every_attempt_fails_its_job(
    new_service: Callable[..., ServiceProcess],
) -> None:
    """Three deaths without an epoch in between are enough."""
    service = new_service("--workers", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/never.csv"
        service.submit(job_id="job", dataset_uri=uri, epochs=1)
        for _ in range(3):
            service.wait_for("job", lambda _: "fetching" in _last_line(service))
            os.kill(worker_of("job", service), signal.SIGKILL)
            (service.data_dir / "jobs" / "job" / "train.log").unlink()
        job = service.ended("job")
    assert job["status"] == "failed"
    assert "the worker died 3 times in one epoch" in job["message"]


def _last_line(service: ServiceProcess) -> str:
    lines = service.client.get("/jobs/job/logs").json()["lines"]
    return str(lines[-1]) if lines else ""


def test_a_stopped_service_resumes_its_jobs(new_service: Callable[..., ServiceProcess], large: Path) -> None:
    """SIGTERM ends the workers, too; the next start goes on."""
    service = new_service("--workers", "1")
    service.submit(job_id="job", dataset_uri=large.as_uri(), epochs=EPOCHS)
    service.wait_for("job", lambda job: job["epoch"] >= 2)
    worker = worker_of("job", service)
    service.terminate()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    service.start()
    assert service.job("job")["status"] == "running"
    assert service.ended("job")["status"] == "finished"
