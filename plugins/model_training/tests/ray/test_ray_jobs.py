"""Trainings on a real Ray cluster.

Ray does not stay on loopback, so these run in a network namespace of their own:

    unshare --net sh -c 'ip link set lo up && pytest tests/ray'
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import skops.io
from flyte_connectors import File, Phase
from flyte_connectors.errors import (
    ConflictError,
    InvalidRequestError,
    JobNotFoundError,
    TaskFailedError,
    UnsupportedVerbError,
)
from flyte_connectors_model_training import (
    ModelTrainingConnector,
    ModelTrainJobMeta,
    ModelTrainTask,
    RayTrainConfig,
)
from flyte_connectors_model_training.ray_jobs import RayJobs
from ray_cluster import NEEDS_RAY
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    from flyte_connectors_training_service.testing import ServiceProcess

EPOCHS = 8
WRITES_A_MODEL = 'd=$(dirname "$TRAINING_RESULTS_URI"); mkdir -p "$d"; touch "$TRAINING_RESULTS_URI"'
pytestmark = NEEDS_RAY


def config_for(address: str, **options: Any) -> RayTrainConfig:
    """A job without a runtime environment to install: the packages are there."""
    return RayTrainConfig(address=address, **options)


async def create(config: RayTrainConfig, key: str, prefix: str = "/tmp") -> ModelTrainJobMeta:
    """Start a job as the core does."""
    task = ModelTrainTask(name="train", plugin_config=config)
    inputs = {"epochs": 1, "dataset_uri": "file:///no/such/file.csv"}
    return await ModelTrainingConnector().create(task.to_proto(), prefix, inputs, idempotency_key=key)


async def ended(meta: ModelTrainJobMeta) -> Any:
    """Poll until the phase is final."""
    for _ in range(600):
        resource = await ModelTrainingConnector().get(meta)
        if resource.phase not in {Phase.QUEUED, Phase.RUNNING}:
            return resource
        await asyncio.sleep(0.2)
    pytest.fail(f"still {resource.phase!r}")


async def log_of(meta: ModelTrainJobMeta, lines: int = 0) -> list[str]:
    """Read all pages of the log."""
    found: list[str] = []
    token: str | None = ""
    while token is not None:
        pages = ModelTrainingConnector().get_logs(meta, token, lines)
        token = None
        async for reply in pages:
            found += [line.message for line in reply.body.lines]
            token = reply.header.token or token
    return found


async def test_the_task_trains_on_ray_to_the_same_model(
    address: str, service: ServiceProcess, digits: Path, tmp_path: Path
) -> None:
    """As accurate as the reference service's, which is as accurate as scikit-learn alone."""
    config = config_for(address, results_prefix=tmp_path.as_uri())
    task = ModelTrainTask(name="train", plugin_config=config, parameters={"seed": 5})
    model = await task(epochs=EPOCHS, dataset_uri=digits.as_uri())
    service.submit(job_id="beside-ray", dataset_uri=digits.as_uri(), epochs=EPOCHS, seed=5)
    expected = service.ended("beside-ray")["metrics"]["validation_accuracy"]
    features, labels = load_digits(return_X_y=True)
    _, held_out, _, held_out_labels = train_test_split(features, labels, test_size=0.2, random_state=5, stratify=labels)
    pipeline = skops.io.load(model.download_sync())
    assert pipeline.score(held_out, held_out_labels) == expected


async def test_declared_outputs_and_hyperparameters_on_ray(address: str, digits: Path, tmp_path: Path) -> None:
    """Scores are those of the job's report; what the job needs is granted by the cluster."""
    config = config_for(
        address,
        results_prefix=tmp_path.as_uri(),
        num_cpus=1,
        memory=50_000_000,
        metadata={"team": "search"},
    )
    task = ModelTrainTask(
        "train",
        plugin_config=config,
        inputs={"data": File, "epochs": int, "alpha": float},
        outputs={"model": File, "validation_accuracy": float, "report": File},
        parameters={"test_fraction": 0.1},
    )
    trained = await task(data=File(str(digits)), epochs=2, alpha=0.01)
    assert trained.validation_accuracy > 0.8
    async with trained.report.open("r") as file:
        report = json.loads(await file.read())
    assert report["spec"]["hyperparameters"] == {"alpha": 0.01}
    jobs = (await asyncio.to_thread(httpx.get, f"{address}/api/jobs/")).json()
    newest = next(job for job in jobs if (job["metadata"] or {}).get("team") == "search")
    assert newest["entrypoint"] == "flyte-model-training train"


async def test_a_job_that_needs_too_much_waits(address: str) -> None:
    """The cluster has no GPU: the job is queued. A stop is taken, and Ray carries it out when the job starts."""
    meta = await create(config_for(address, entrypoint="true", num_gpus=1), "gpu")
    resource = await ModelTrainingConnector().get(meta)
    assert resource.phase == Phase.QUEUED
    await ModelTrainingConnector().delete(meta)


async def test_a_page_of_a_long_log_is_read_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's State API streams the log; a page in the middle is found by its offset."""
    ask = RayJobs._ask

    async def without_whole_logs(self: RayJobs, method: str, *parts: str, **options: Any) -> Any:
        assert parts[-1] != "logs", "the Jobs API answers with the whole log"
        return await ask(self, method, *parts, **options)

    monkeypatch.setattr(RayJobs, "_ask", without_whole_logs)
    entrypoint = f"{sys.executable} -c 'for i in range(20000): print(f\"line {{i:06}}\")'"
    meta = await create(config_for(address, entrypoint=entrypoint), "long-log")
    await ended(meta)
    first, token = await page_of(meta, "", 10)
    assert len(first) == 10
    whole = await log_of(meta)
    assert whole[-20000:] == [f"line {number:06}" for number in range(20000)]
    lines, _ = await page_of(meta, token, 5)
    assert lines == whole[10:15]


async def page_of(meta: ModelTrainJobMeta, token: str, lines: int) -> tuple[list[str], str]:
    """One page of the log, and the token of the next."""
    found: list[str] = []
    following = ""
    async for reply in ModelTrainingConnector().get_logs(meta, token, lines):
        found += [line.message for line in reply.body.lines]
        following = reply.header.token or following
    return found, following


async def test_a_bad_data_set_fails_with_the_reason_in_the_log(address: str) -> None:
    """The job's exit status reaches the task, its output the log."""
    task = ModelTrainTask(name="train", plugin_config=config_for(address))
    with pytest.raises(TaskFailedError, match="exit code 1"):
        await task(epochs=1, dataset_uri="file:///no/such/file.csv")
    meta = await create(config_for(address), "bad-data")
    assert (await ended(meta)).phase == Phase.FAILED
    assert "No such file" in "\n".join(await log_of(meta))


async def test_the_same_key_is_the_same_job(address: str) -> None:
    """Also when calls race: Ray's 500 "already exists" is success; with another entrypoint it is not."""
    config = config_for(address, entrypoint="sleep 1")
    metas = await asyncio.gather(*(create(config, "race") for _ in range(4)))
    assert {meta.job_id for meta in metas} == {"race"}
    with pytest.raises(ConflictError):
        await create(config_for(address, entrypoint="sleep 2"), "race")
    jobs = (await asyncio.to_thread(httpx.get, f"{address}/api/jobs/")).json()
    assert [job["submission_id"] for job in jobs].count("race") == 1


async def test_delete_stops_a_job_and_may_be_repeated(address: str) -> None:
    """ABORTED, and stays so; a finished job stays SUCCEEDED."""
    stopped = await create(config_for(address, entrypoint="sleep 600"), "stopped")
    finished = await create(config_for(address, entrypoint=WRITES_A_MODEL), "finished")
    await ended(finished)
    for _ in range(2):
        await ModelTrainingConnector().delete(stopped)
        await ModelTrainingConnector().delete(finished)
    assert (await ended(stopped)).phase == Phase.ABORTED
    assert (await ended(finished)).phase == Phase.SUCCEEDED


async def test_pages_of_the_log_give_every_line_once(address: str) -> None:
    """Offsets count bytes, so that letters of any size stay whole."""
    entrypoint = f"{sys.executable} -c 'for i in range(25): print(i, chr(228) * i)'"
    meta = await create(config_for(address, entrypoint=entrypoint), "wordy")
    await ended(meta)
    whole = await log_of(meta)
    assert whole[-25:] == [f"{i} {'ä' * i}" for i in range(25)]
    assert await log_of(meta, lines=4) == whole


async def test_inputs_pass_through_no_shell(address: str) -> None:
    """They are environment variables; the author's own stay beside them."""
    entrypoint = 'echo "$OWN|$TRAINING_DATASET_URI|$TRAINING_EPOCHS|$TRAINING_PARAMETERS"'
    config = config_for(address, entrypoint=entrypoint, runtime_env={"env_vars": {"OWN": "kept"}})
    task = ModelTrainTask(name="train", plugin_config=config, parameters={"label": "$(id)"})
    uri = "s3://bucket/$(touch /tmp/evil);`id`"
    meta = await ModelTrainingConnector().create(
        task.to_proto(), "/tmp", {"epochs": 3, "dataset_uri": uri}, idempotency_key="quoted"
    )
    await ended(meta)
    assert b"OWN" not in meta.encode()
    assert f'kept|{uri}|3|{{"label": "$(id)"}}' in await log_of(meta)


async def test_what_ray_does_not_know_is_an_error(address: str) -> None:
    """An unknown job, a wrong token, metrics, and an address that is not Ray's."""
    connector = ModelTrainingConnector()
    unknown = ModelTrainJobMeta("nobody", "", {"ray": {"address": address}})
    with pytest.raises(JobNotFoundError):
        await connector.get(unknown)
    with pytest.raises(JobNotFoundError):
        await connector.delete(unknown)
    with pytest.raises(UnsupportedVerbError):
        await connector.get_metrics(unknown)
    meta = await create(config_for(address, entrypoint="true"), "known")
    await ended(meta)
    with pytest.raises(InvalidRequestError, match="past the end of the log"):
        async for _ in connector.get_logs(meta, "99999999"):
            pass
    with pytest.raises(InvalidRequestError, match="is this the address of Ray's dashboard"):
        await create(config_for(f"{address}/elsewhere"), "lost")
