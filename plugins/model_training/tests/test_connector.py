"""The verbs against the reference service."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors import Phase
from flyte_connectors.errors import InvalidRequestError, JobNotFoundError
from flyte_connectors_model_training import (
    ModelTrainingConnector,
    ModelTrainJobMeta,
    ModelTrainTask,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flyte_connectors import Resource
    from flyte_connectors_training_service.testing import ServiceProcess


async def create(endpoint: str, key: str, inputs: Mapping[str, Any], **options: Any) -> ModelTrainJobMeta:
    """Start a training as the core does."""
    task = ModelTrainTask(name="train", endpoint=endpoint, **options)
    return await ModelTrainingConnector().create(
        task.to_proto(), "", inputs, idempotency_key=key, task_execution_metadata=None
    )


async def ended(meta: ModelTrainJobMeta) -> Resource:
    """Poll until the phase is final."""
    for _ in range(1000):
        resource = await ModelTrainingConnector().get(meta)
        if resource.phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED}:
            return resource
        await asyncio.sleep(0.05)
    pytest.fail(f"still {resource.phase!r}: {resource.message}")


def test_importing_the_entry_point_imports_no_http_client() -> None:
    """A service with many plugins starts fast."""
    code = (
        "import sys, flyte_connectors_model_training.connector as c;"
        "c.ModelTrainingConnector();"
        "heavy = {'httpx', 'sklearn', 'starlette', 'numpy'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_create_of_a_service_that_is_warm_imports_nothing_more() -> None:
    """After `warm_up` the first training does not wait for the HTTP client."""
    code = (
        "import asyncio, sys, flyte_connectors_model_training.connector as c\n"
        "from flyteidl2.core.tasks_pb2 import TaskTemplate\n"
        "connector, task = c.ModelTrainingConnector(), TaskTemplate()\n"
        "task.custom.update({'endpoint': 'http://127.0.0.1:1'})\n"
        "inputs = {'epochs': 1, 'dataset_uri': 's3://bucket'}\n"
        "connector.warm_up()\n"
        "before = set(sys.modules)\n"
        "try: asyncio.run(connector.create(task, inputs=inputs, idempotency_key='key'))\n"
        "except c.ConflictError.__base__ as error: print(type(error).__name__)\n"
        "heavy = ('http', 'h11', 'flyte_connectors_', 'flyte_connectors.http')\n"
        "print(*[name for name in set(sys.modules) - before if name.startswith(heavy)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
        env={**os.environ, "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS": "127.0.0.1"},
    )
    assert done.stdout.split() == ["ServiceUnavailableError"]


async def test_the_same_key_is_the_same_job(service: ServiceProcess, digits: Path) -> None:
    """Also when eight calls race; another key is another job."""
    inputs = {"epochs": 1, "dataset_uri": digits.as_uri()}
    racing = [create(service.endpoint, "race-a0", inputs) for _ in range(8)]
    metas = await asyncio.gather(*racing)
    other = await create(service.endpoint, "race-a1", inputs)
    assert {meta.job_id for meta in metas} == {"race-a0"}
    assert other.job_id == "race-a1"


async def test_a_finished_training_shows_file_progress_and_dashboard(service: ServiceProcess, digits: Path) -> None:
    """And answers the same when asked again."""
    meta = await create(service.endpoint, "shown", {"epochs": 2, "dataset_uri": digits.as_uri()})
    resource = await ended(meta)
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs["results"].path.endswith("/jobs/shown/artifacts/model.skops")
    assert resource.log_links[0].uri.endswith("/jobs/shown/dashboard")
    assert resource.custom_info["epoch"] == resource.custom_info["epochs"] == 2
    assert await ModelTrainingConnector().get(meta) == resource


async def test_delete_stops_and_may_be_repeated(service: ServiceProcess, large: Path) -> None:
    """A running job becomes ABORTED and stays so."""
    inputs = {"epochs": 10_000, "dataset_uri": large.as_uri()}
    meta = await create(service.endpoint, "deleted", inputs)
    for _ in range(2):
        await ModelTrainingConnector().delete(meta)
        resource = await ModelTrainingConnector().get(meta)
        assert resource.phase == Phase.ABORTED


async def test_parameters_reach_the_service(service: ServiceProcess, digits: Path) -> None:
    """Whole numbers stay whole on their way through protobuf."""
    inputs = {"epochs": 1, "dataset_uri": digits.as_uri()}
    options = {"parameters": {"seed": 3, "validation_fraction": 0.5}}
    await create(service.endpoint, "with-parameters", inputs, **options)
    spec = service.job("with-parameters")["spec"]
    assert (spec["seed"], spec["validation_fraction"]) == (3, 0.5)


async def test_an_unknown_job_is_not_found(service: ServiceProcess) -> None:
    """The core turns this into what each verb needs."""
    meta = ModelTrainJobMeta("nobody", service.endpoint)
    for verb in (ModelTrainingConnector().get, ModelTrainingConnector().delete):
        with pytest.raises(JobNotFoundError, match="no job 'nobody'"):
            await verb(meta)


def ids_of(service: ServiceProcess) -> list[str]:
    """Answer the ids of all jobs."""
    return [job["job_id"] for job in service.client.get("/jobs").json()["jobs"]]


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"epochs": -1, "dataset_uri": "file:///data.csv"}, "inputs.epochs"),
        ({"epochs": 0, "dataset_uri": "file:///data.csv"}, "inputs.epochs"),
        ({"dataset_uri": "file:///data.csv"}, "inputs.epochs"),
        ({"epochs": 1}, "inputs.dataset_uri"),
        ({"epochs": 1, "dataset_uri": "data.csv"}, "inputs.dataset_uri"),
    ],
)
async def test_bad_inputs_start_nothing(service: ServiceProcess, inputs: dict[str, Any], field: str) -> None:
    """The error names the field; the service never hears of it."""
    before = ids_of(service)
    with pytest.raises(InvalidRequestError) as caught:
        await create(service.endpoint, "bad", inputs)
    assert caught.value.field == field
    assert ids_of(service) == before


async def test_what_the_service_refuses_is_an_invalid_request(service: ServiceProcess) -> None:
    """With the service's own words."""
    inputs = {"epochs": 1, "dataset_uri": "ftp://host/data.csv"}
    with pytest.raises(InvalidRequestError, match="dataset_uri must be a URI with one of"):
        await create(service.endpoint, "refused", inputs)


def test_an_event_loop_that_ends_closes_its_connections(service: ServiceProcess) -> None:
    """Kept alive between calls, they belong to the loop; a next loop opens its own."""

    async def ask_twice() -> None:
        for _ in range(2):
            with pytest.raises(JobNotFoundError):
                await ModelTrainingConnector().get(ModelTrainJobMeta("nobody", service.endpoint))

    for _ in range(2):
        asyncio.run(ask_twice())
        gc.collect()  # an open socket would warn, and a warning fails


async def read_log(meta: ModelTrainJobMeta, lines: int) -> tuple[list[Any], list[str]]:
    """Answer all lines of a log read in pages, and the tokens between them."""
    found: list[Any] = []
    tokens = [""]
    while True:
        token = ""
        async for reply in ModelTrainingConnector().get_logs(meta, tokens[-1], lines):
            found += reply.body.lines
            token = reply.header.token or token
        if not token:
            return found, tokens
        tokens.append(token)


async def test_pages_of_the_log_give_every_line_once(service: ServiceProcess, digits: Path) -> None:
    """Timed lines, in pages of the size asked for, the last one without a token."""
    inputs = {"epochs": 20, "dataset_uri": digits.as_uri()}
    meta = await create(service.endpoint, "logged", inputs)
    await ended(meta)
    whole, _ = await read_log(meta, 0)
    paged, tokens = await read_log(meta, 4)
    assert paged == whole
    assert len(tokens) == len(whole) // 4 + 1
    assert whole[0].message.startswith("INFO fetching file://")
    assert all(line.timestamp.seconds > 1_600_000_000 for line in whole)


@pytest.mark.parametrize("token", ["x", "-1", "9999999", "1" * 30])
async def test_a_wrong_token_is_an_invalid_request(service: ServiceProcess, digits: Path, token: str) -> None:
    """Whether the connector notices or the service."""
    inputs = {"epochs": 1, "dataset_uri": digits.as_uri()}
    meta = await create(service.endpoint, "with-log", inputs)
    with pytest.raises(InvalidRequestError):
        async for _ in ModelTrainingConnector().get_logs(meta, token):
            pass


async def test_metrics_are_a_series_per_measure(service: ServiceProcess, digits: Path) -> None:
    """One value for each epoch, as a Prometheus range query answers them."""
    inputs = {"epochs": 3, "dataset_uri": digits.as_uri()}
    meta = await create(service.endpoint, "measured", inputs)
    await ended(meta)
    response = await ModelTrainingConnector().get_metrics(meta)
    by_name = {result.metric: result.data for result in response.results}
    assert set(by_name) == {
        "accuracy", "best_epoch", "epoch", "loss", "validation_accuracy", "validation_loss",
    }  # fmt: skip
    values = by_name["epoch"]["result"][0]["values"]
    assert [value[1] for value in values] == ["1", "2", "3"]
    one = await ModelTrainingConnector().get_metrics(meta, ["loss"])
    assert [result.metric for result in one.results] == ["loss"]
    with pytest.raises(InvalidRequestError, match=r"unknown metric 'speed'; .*accuracy"):
        await ModelTrainingConnector().get_metrics(meta, ["speed"])


def test_a_meta_is_small_and_comes_back() -> None:
    """Two fields for a plain task."""
    meta = ModelTrainJobMeta("job-1", "http://127.0.0.1/jobs")
    assert len(meta.encode()) < 120
    assert ModelTrainJobMeta.decode(meta.encode()) == meta


def test_the_seeds_meta_is_read() -> None:
    """What an older connector stored has two fields only."""
    old = b'{"job_id": "a", "endpoint": "http://h/jobs"}'
    assert ModelTrainJobMeta.decode(old) == ModelTrainJobMeta("a", "http://h/jobs")
