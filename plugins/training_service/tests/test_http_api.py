"""The service over HTTP, as its OpenAPI document describes it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import skops.io
from flyte_connectors_training_service import sweeps
from flyte_connectors_training_service.training_spec import TrainingSpec
from jsonschema import Draft202012Validator
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from flyte_connectors_training_service.testing import ServiceProcess


def is_valid(service: ServiceProcess, schema: str, value: object) -> bool:
    """Whether `value` is what the service's own OpenAPI document says."""
    document = service.client.get("/openapi.json").json()
    reference = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    return Draft202012Validator(reference).is_valid(value)


def error_of(reply: httpx.Response, code: int) -> str:
    """Answer the text of an error reply with this status."""
    assert reply.status_code == code, reply.text
    return str(reply.json()["error"])


def newest_of(service: ServiceProcess) -> list[str]:
    """The id of the newest job, if there is any."""
    return [job["job_id"] for job in service.client.get("/jobs?limit=1").json()["jobs"]]


@pytest.fixture(scope="module")
def trained(service: ServiceProcess, digits: Path) -> dict[str, Any]:
    """A finished training on digits."""
    service.submit(job_id="trained", dataset_uri=digits.as_uri(), epochs=10)
    return service.ended("trained")


def test_a_training_ends_with_a_model_that_predicts(service: ServiceProcess, trained: dict[str, Any]) -> None:
    """The result loads without trusting any type, and predicts what the service measured."""
    assert trained["status"] == "finished", trained
    features, labels = load_digits(return_X_y=True)
    model = skops.io.loads(service.client.get(trained["results"]).content)
    assert model.score(features, labels) > 0.95
    assert trained["metrics"]["validation_accuracy"] > 0.92


def test_replies_are_what_the_openapi_document_says(
    service: ServiceProcess, trained: dict[str, Any], digits: Path
) -> None:
    """Job, epochs, log and error match their schemas; a queued job does, too."""
    logs = service.client.get("/jobs/trained/logs").json()
    epochs = service.client.get("/jobs/trained/metrics?after=4").json()["epochs"]
    queued = service.submit(dataset_uri=digits.as_uri(), epochs=1)
    assert is_valid(service, "Job", trained)
    assert is_valid(service, "Job", queued)
    assert is_valid(service, "LogPage", logs)
    assert [epoch["epoch"] for epoch in epochs] == [5, 6, 7, 8, 9, 10]
    assert all(is_valid(service, "EpochMetrics", epoch) for epoch in epochs)
    assert is_valid(service, "Error", service.client.get("/jobs/nobody").json())
    assert not is_valid(service, "Job", {"status": "finished"})


def test_every_route_is_documented(service: ServiceProcess) -> None:
    """The document has each path and method that the application has, and no other."""
    from flyte_connectors_training_service.app import training_app

    routes: Any = training_app(None, None, None).routes  # type: ignore[arg-type]
    served = {(route.path, method.lower()) for route in routes for method in route.methods}
    paths = service.client.get("/openapi.json").json()["paths"]
    verbs = {"get", "post", "delete"}
    described = {(path, verb) for path, item in paths.items() for verb in verbs & set(item)}
    assert described == {(path, method) for path, method in served if method != "head"}


def test_the_service_itself_loads_no_libraries_for_data(service: ServiceProcess) -> None:
    """Workers do, once for all of them: the service starts faster, and takes less memory."""
    loaded = Path(f"/proc/{service.pid}/maps").read_text()
    assert "libpython" in loaded or "python3" in loaded
    assert [name for name in ("numpy", "pyarrow", "scipy", "sklearn") if name in loaded] == []


def test_the_log_is_complete_and_ends(service: ServiceProcess, trained: dict[str, Any]) -> None:
    """Each epoch has its line, and the last page says that it is the last."""
    page = service.client.get("/jobs/trained/logs").json()
    assert page["complete"]
    assert sum(" epoch " in line for line in page["lines"]) == trained["epochs"]
    rest = service.client.get(f"/jobs/trained/logs?offset={page['next_offset']}").json()
    assert rest == {"lines": [], "next_offset": page["next_offset"], "complete": True}


def test_a_repeated_submission_answers_with_the_same_job(service: ServiceProcess, digits: Path) -> None:
    """201 for the first, 200 for the repetition, 409 for another training under the key."""
    body = {"dataset_uri": digits.as_uri(), "epochs": 2}
    headers = {"Idempotency-Key": "run-1-attempt-0"}
    first = service.client.post("/jobs", json=body, headers=headers)
    again = service.client.post("/jobs", json=body, headers=headers)
    other = service.client.post("/jobs", json={**body, "epochs": 3}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["job_id"] == again.json()["job_id"]
    assert "another spec" in error_of(other, 409)


def test_delete_stops_a_training(service: ServiceProcess, large: Path) -> None:
    """Its worker is killed; deleting again, and getting, answer the same."""
    service.submit(job_id="stopped", dataset_uri=large.as_uri(), epochs=10_000)
    service.wait_for("stopped", lambda job: job["epoch"] > 0)
    cancelled = service.client.delete("/jobs/stopped").json()
    assert cancelled["status"] == "cancelled"
    assert service.client.delete("/jobs/stopped").json()["status"] == "cancelled"
    # Both workers are free again for what comes after.
    for name in ("next-1", "next-2"):
        service.submit(job_id=name, dataset_uri=large.as_uri(), epochs=1)
        assert service.ended(name)["status"] == "finished"


def test_a_finished_job_stays_finished_when_deleted(service: ServiceProcess, trained: dict[str, Any]) -> None:
    """DELETE changes nothing that has ended."""
    assert service.client.delete("/jobs/trained").json() == trained


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "not readable as CSV"),
        (b"x,label\n1,a\n2,a\n", "one class only"),
        (b"x,y\n1,a\n2,a\n", "none of the 2 columns of the data set is named 'label'"),
        (b"x,label\n1,a\n2,b\n", "cannot be split for validation"),
    ],
    ids=["missing", "empty", "one-class", "no-label", "two-rows"],
)
def test_a_bad_data_set_fails_the_job_and_says_why(
    service: ServiceProcess, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """The message and the log tell the reason; there is no result."""
    path = tmp_path / "data.csv"
    if content is not None:
        path.write_bytes(content)
    job = service.ended(service.submit(dataset_uri=path.as_uri(), epochs=1)["job_id"])
    assert job["status"] == "failed"
    assert reason in job["message"]
    assert reason in service.client.get(f"/jobs/{job['job_id']}/logs").json()["lines"][-1]
    assert "no results" in error_of(service.client.get(f"/jobs/{job['job_id']}/results"), 404)


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({"json": {"dataset_uri": "file:///a", "epochs": -1}}, 400, "epochs must be"),
        ({"json": {"epochs": 1}}, 400, "dataset_uri is missing"),
        ({"json": {"job_id": "A b", "dataset_uri": "file:///a", "epochs": 1}}, 400, "job_id must"),
        ({"json": [1]}, 400, "must be a JSON object"),
        ({"content": "{", "headers": {"Content-Type": "application/json"}}, 400, "is not JSON"),
        ({"content": "{}"}, 415, "Content-Type must be application/json"),
        ({"json": {"dataset_uri": "x" * 70_000}}, 413, "at most 65536 bytes"),
        ({"json": {}, "headers": {"Idempotency-Key": "a b"}}, 400, "Idempotency-Key must"),
    ],
)
def test_a_bad_submission_is_refused(service: ServiceProcess, request_: dict[str, Any], code: int, text: str) -> None:
    """The error names what is wrong, and no job comes of it."""
    before = newest_of(service)
    assert text in error_of(service.client.post("/jobs", **request_), code)
    assert newest_of(service) == before


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("/jobs/nobody", 404, "no job 'nobody'"),
        ("/jobs/nobody/dashboard", 404, "no job 'nobody'"),
        ("/jobs/..%2f..%2fetc", 404, "Not Found"),
        ("/jobs?limit=0", 400, "limit must be from 1 to 1000"),
        ("/jobs/trained/logs?offset=9999999", 400, "offset must be from 0 to"),
        ("/jobs/trained/logs?offset=x", 400, "offset must be an integer"),
        ("/jobs/trained/metrics?after=-1", 400, "after must be"),
        ("/elsewhere", 404, "Not Found"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_a_bad_request_is_refused(service: ServiceProcess, path: str, code: int, text: str) -> None:
    """With a JSON error that names the field."""
    assert text in error_of(service.client.get(path), code)


def test_health_is_ok_while_jobs_are_worked_on(service: ServiceProcess) -> None:
    """The supervisor's thread lives."""
    assert service.client.get("/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example.net"}, 400),
        ({"Host": "localhost.evil.example.net:8100"}, 400),
        ({"Host": "user@localhost"}, 400),
        ({"Host": "2130706433"}, 400),
        ({"Host": "[::1"}, 400),
        ({"Host": ""}, 400),
        ({"Origin": "http://evil.example.net"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "localhost:8100"}, 200),
        ({"Host": "LOCALHOST.:8100"}, 200),
        ({"Host": "127.0.0.1:8100", "Origin": "http://127.0.0.1:8100"}, 200),
        ({"Host": "[::1]:8100"}, 200),
    ],
)
def test_pages_of_other_sites_are_refused(service: ServiceProcess, headers: dict[str, str], code: int) -> None:
    """A browser tells the site by Host, where a name was made to lead here, and by Origin."""
    for method, path in (("GET", "/jobs"), ("GET", "/health"), ("GET", "/openapi.json")):
        assert service.client.request(method, path, headers=headers).status_code == code


def test_names_of_the_service_can_be_allowed(new_service: Callable[..., ServiceProcess]) -> None:
    """By flag, or as the public URL, whose origin is let in."""
    service = new_service("--allowed-host", "training.flyte.svc", "--public-url", "https://train.example.org/base")
    for headers in (
        {"Host": "training.flyte.svc:8100"},
        {"Host": "train.example.org"},
        {"Host": "127.0.0.1", "Origin": "https://train.example.org"},
    ):
        assert service.client.get("/health", headers=headers).status_code == 200
    assert service.client.get("/health", headers={"Host": "other.svc"}).status_code == 400


def test_files_of_the_system_are_no_data_sets(service: ServiceProcess) -> None:
    """Neither its secrets nor its devices; what is in them is told nowhere."""
    for uri in ("file:///etc/passwd", "file:///dev/zero", "file:///proc/self/environ"):
        job = service.ended(service.submit(dataset_uri=uri, epochs=1, label="root")["job_id"])
        assert job["status"] == "failed"
        assert "not below a --data-root of the service" in job["message"]


def test_a_second_service_on_the_same_data_is_refused(service: ServiceProcess) -> None:
    """Two supervisors would train every job twice."""
    command = [sys.executable, "-m", "flyte_connectors_training_service", "serve"]
    second = subprocess.run(
        [*command, "--data-dir", str(service.data_dir), "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert second.returncode == 1
    assert "is in use by another service" in second.stderr


@pytest.mark.timeout(240)  # a process for each: 10 s alone, a minute on a busy machine
def test_a_hundred_trainings_queued_at_once_all_finish(
    new_service: Callable[..., ServiceProcess], tmp_path: Path
) -> None:
    """None is lost, none fails, each has its own seed, and links follow the public URL."""
    rows = [f"{number % 7},{number % 5},{'ab'[number % 2]}" for number in range(200)]
    path = tmp_path / "small.csv"
    path.write_text("x,y,label\n" + "\n".join(rows) + "\n")
    service = new_service("--workers", "2", "--public-url", "https://train.example.org/base")
    for seed in range(100):
        service.submit(job_id=f"job-{seed}", dataset_uri=path.as_uri(), epochs=2, seed=seed)
    jobs = [service.ended(f"job-{seed}", poll_seconds=0.1) for seed in range(100)]
    assert jobs[-1]["dashboard"] == "https://train.example.org/base/jobs/job-99/dashboard"
    assert {job["status"] for job in jobs} == {"finished"}
    model = service.client.get("/jobs/job-99/results").content
    assert skops.io.load(io.BytesIO(model)).classes_.tolist() == ["a", "b"]


@pytest.fixture(scope="module")
def swept(service: ServiceProcess, digits: Path) -> dict[str, Any]:
    """A finished sweep over six trainings."""
    values = {"hyperparameters.alpha": [0.0001, 0.001, 10.0], "seed": [0, 1]}
    service.submit(job_id="swept", dataset_uri=digits.as_uri(), epochs=2, sweep={"values": values})
    return service.ended("swept")


def test_a_sweep_trains_each_combination_and_answers_with_the_best(
    service: ServiceProcess, swept: dict[str, Any]
) -> None:
    """Trials are jobs; the sweep's model, scores and log are there as those of any job."""
    assert is_valid(service, "Job", swept)
    assert (swept["status"], swept["epoch"], swept["epochs"]) == ("finished", 12, 12)
    found = service.client.get("/jobs/swept/trials").json()
    trials = {trial["job_id"]: trial for trial in found["trials"]}
    tried = [tuple(trial["values"].values()) for trial in found["trials"]]
    assert tried == [(alpha, seed) for alpha in (0.0001, 0.001, 10.0) for seed in (0, 1)]
    assert {trial["parent"] for trial in trials.values()} == {"swept"}
    best = trials[found["best"]]
    assert best["score"] == max(trial["score"] for trial in trials.values())
    assert swept["scores"] == best["scores"]
    assert swept["message"] == f"6 of 6 trials finished, the best is {best['job_id']}"
    model = service.client.get(swept["results"]).content
    assert model == service.client.get(best["results"]).content
    assert len(service.client.get("/jobs/swept/logs").json()["lines"]) == 6
    again = service.submit(
        job_id="swept",
        dataset_uri=best["spec"]["dataset_uri"],
        epochs=2,
        sweep=swept["sweep"],
    )
    assert again == swept


def test_a_cancelled_sweep_leaves_no_trial_running(service: ServiceProcess, large: Path) -> None:
    """Those that wait never start."""
    service.submit(
        job_id="sweep-stopped",
        dataset_uri=large.as_uri(),
        epochs=10_000,
        sweep={"values": {"seed": [1, 2, 3, 4]}},
    )
    service.wait_for("sweep-stopped", lambda job: job["status"] == "running")
    assert service.client.delete("/jobs/sweep-stopped").json()["status"] == "cancelled"
    trials = service.client.get("/jobs/sweep-stopped/trials").json()["trials"]
    assert {trial["status"] for trial in trials} == {"cancelled"}


def test_a_sweep_without_any_good_trial_fails(service: ServiceProcess, tmp_path: Path) -> None:
    """One with some is finished, and says how many."""
    sweep = {"values": {"seed": [0, 1]}}
    missing = (tmp_path / "missing.csv").as_uri()
    service.submit(job_id="sweep-failed", dataset_uri=missing, epochs=1, sweep=sweep)
    job = service.ended("sweep-failed")
    assert (job["status"], job["message"]) == ("failed", "none of 2 trials has finished")
    assert service.client.get("/jobs/sweep-failed/trials").json()["best"] is None


@pytest.mark.parametrize(
    ("sweep", "reason"),
    [
        ([1], "sweep must be an object"),
        ({"values": {}}, "sweep.values must be an object of lists"),
        ({"values": {"seed": 1}}, "sweep.values.seed must be a list"),
        ({"values": {"speed": [1]}}, "sweep.values: 'speed' can't be varied"),
        ({"values": {"dataset_uri": ["file:///a"]}}, "can't be varied"),
        ({"values": {"seed": [-1]}}, "seed must be an integer"),
        ({"values": {"hyperparameters.alpha": ["x"]}}, "hyperparameters.alpha must be"),
        ({"values": {"seed": [*range(300)]}}, "300 trials, at most 200: set samples"),
        ({"values": {"seed": [1]}, "samples": 0}, "sweep.samples must be an integer from 1"),
    ],
)
def test_a_wrong_sweep_is_refused(service: ServiceProcess, sweep: Any, reason: str) -> None:
    """Before any of its trials is started."""
    before = newest_of(service)
    body = {"dataset_uri": "file:///a", "epochs": 1, "sweep": sweep}
    assert reason in error_of(service.client.post("/jobs", json=body), 400)
    assert newest_of(service) == before


def test_samples_of_a_sweep_are_the_same_each_time() -> None:
    """They are drawn with the seed: a repeated submission is the same sweep."""
    spec = TrainingSpec("file:///a", 1)
    sweep = {"values": {"seed": [*range(50)], "early_stopping": [*range(50)]}, "samples": 5}
    first = sweeps.trials_of("one", spec, sweep)
    assert len(first) == 5
    assert sweeps.trials_of("one", spec, sweep) == first


def test_artifacts_are_those_that_the_job_names(service: ServiceProcess, trained: dict[str, Any]) -> None:
    """The report among them; no other file of the job can be had."""
    report = service.client.get(trained["report"]).json()
    assert report["final"]["validation_accuracy"] == trained["scores"]["validation_accuracy"]
    assert trained["best_epoch"] == report["best_epoch"]
    for name in ("train.log", "lock", "..%2f..%2fjobs.sqlite"):
        reply = service.client.get(f"/jobs/trained/artifacts/{name}")
        assert reply.status_code == 404
    assert "set exports" in error_of(service.client.get("/jobs/trained/artifacts/model.onnx"), 404)
