"""Trainings tracked on a real MLflow server: `nox -s mlflow`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
import skops.io
from flyte_connectors_training_service import worker
from flyte_connectors_training_service.job_files import JobFiles
from flyte_connectors_training_service.sources import DatasetError, Sources
from flyte_connectors_training_service.training_spec import TrainingSpec
from sklearn.datasets import load_digits

mlflow = pytest.importorskip("mlflow", reason="needs mlflow")
pytest.importorskip("mlflow.server", reason="needs the server of mlflow")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flyte_connectors_training_service.testing import ServiceProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("default"),  # mlflow's own
]


@pytest.fixture(scope="session", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server on loopback, with its own database and artifacts."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [
            *command,
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts"),
        ],
        cwd=folder,
        env={
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS", "127.0.0.1")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            _wait_until_up(url, process)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # its own end takes long
            process.wait(30)


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert process.poll() is None, "mlflow has ended"
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail("mlflow did not come up")


def run_of(url: str, experiment: str) -> Any:
    """The only run of an experiment."""
    client = mlflow.MlflowClient(url)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    assert len(found) == 1
    return found[0]


def steps_of(url: str, run: Any, metric: str) -> list[tuple[int, float]]:
    """The values of a metric by step."""
    history = mlflow.MlflowClient(url).get_metric_history(run.info.run_id, metric)
    return sorted((value.step, value.value) for value in history)


def test_a_training_is_tracked(server: str, service: ServiceProcess, digits: Path) -> None:
    """Parameters, each epoch, the scores, the report, and a model that MLflow loads."""
    settings = {
        "tracking_uri": server,
        "experiment": "digits",
        "run_name": "first",
        "registered_model": "reads-digits",
    }
    service.submit(
        job_id="tracked", dataset_uri=digits.as_uri(), epochs=4, mlflow=settings,
        hyperparameters={"alpha": 0.001}, test_fraction=0.1,
    )  # fmt: skip
    job = service.ended("tracked")
    assert job["status"] == "finished", job
    run = run_of(server, "digits")
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.params["hyperparameters.alpha"] == "0.001"
    assert run.data.params["estimator"] == "SGDClassifier"
    epochs = service.client.get("/jobs/tracked/metrics").json()["epochs"]
    assert steps_of(server, run, "validation_loss") == [(epoch["epoch"], epoch["validation_loss"]) for epoch in epochs]
    assert run.data.metrics["final_test_accuracy"] == job["scores"]["test_accuracy"]
    assert job["tracking"].startswith(f"{server}/#/experiments/")
    assert run.info.run_id in job["tracking"]
    mlflow.set_tracking_uri(server)
    model = mlflow.sklearn.load_model("models:/reads-digits/1")
    ours = skops.io.loads(service.client.get(job["results"]).content)
    features, _ = load_digits(return_X_y=True)
    np.testing.assert_array_equal(model.predict(features), ours.predict(features))


def test_a_resumed_training_is_one_run(server: str, digits: Path, tmp_path: Path) -> None:
    """Found again by the job's id; no epoch is logged twice."""
    settings = {"tracking_uri": server, "experiment": "resumed"}
    spec = TrainingSpec(digits.as_uri(), 5, mlflow=settings)
    (tmp_path / "job").mkdir()
    files = JobFiles(tmp_path / "job")
    append = files.append_epoch

    def die(metrics: dict[str, Any]) -> None:
        append(metrics)
        if metrics["epoch"] == 3:
            raise KeyboardInterrupt

    files.append_epoch = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        worker.train(files, spec, Sources(roots=None))
    files.append_epoch = append  # type: ignore[method-assign]
    worker.train(files, spec, Sources(roots=None))
    run = run_of(server, "resumed")
    assert [step for step, _ in steps_of(server, run, "loss")] == [1, 2, 3, 4, 5]
    assert run.info.status == "FINISHED"


def test_a_failed_training_is_a_failed_run(server: str, tmp_path: Path) -> None:
    """With its parameters."""
    path = tmp_path / "data.csv"
    path.write_text("x,label\n" + "".join(f"{n},{'ab'[n < 3]}\n" for n in range(30)))
    settings = {"tracking_uri": server, "experiment": "failed"}
    spec = TrainingSpec(path.as_uri(), 1, mlflow=settings, folds=5)
    (tmp_path / "job").mkdir()
    with pytest.raises(DatasetError, match="folds"):
        worker.train(JobFiles(tmp_path / "job"), spec, Sources(roots=None))
    assert run_of(server, "failed").info.status == "FAILED"


def test_a_server_that_is_down_costs_the_tracking_only(
    digits: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The model is there, and the log says that it was not tracked."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"tracking_uri": f"http://127.0.0.1:{port}"}
    (tmp_path / "job").mkdir()
    files = JobFiles(tmp_path / "job")
    with caplog.at_level("WARNING", "training"):
        worker.train(files, TrainingSpec(digits.as_uri(), 1, mlflow=settings), Sources(roots=None))
    assert files.model.exists()
    assert "not tracked: MLflow failed with" in caplog.text


def test_a_task_tracks_its_training(server: str, service: ServiceProcess, digits: Path) -> None:
    """Through the connector: `MlflowConfig` of the task, and a link beside the dashboard's."""
    training = pytest.importorskip("flyte_connectors_model_training")
    task = training.ModelTrainTask("train", service.endpoint, mlflow=training.MlflowConfig(server, experiment="tasks"))
    task(epochs=2, dataset_uri=digits.as_uri())
    assert [step for step, _ in steps_of(server, run_of(server, "tasks"), "loss")] == [1, 2]
