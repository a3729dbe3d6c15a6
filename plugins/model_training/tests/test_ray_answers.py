"""What the connector makes of Ray's answers, as its dashboard gave them; `ray/` has a real cluster."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors import File, Phase
from flyte_connectors.errors import ConflictError, ServiceUnavailableError
from flyte_connectors_model_training import (
    ModelTrainingConnector,
    ModelTrainJobMeta,
    ModelTrainTask,
    RayTrainConfig,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import ScriptedServer

EXISTS = "Traceback ...: ValueError: Job with submission_id key-1 already exists. Please use a different"


async def create(
    scripted: ScriptedServer,
    prefix: Path,
    epochs: int = 1,
    entrypoint: str = "train",
    outputs: dict[str, Any] | None = None,
    **options: Any,
) -> ModelTrainJobMeta:
    """Start a job as the core does."""
    address = scripted.endpoint.removesuffix("/jobs")
    config = RayTrainConfig(address, entrypoint, results_prefix=prefix.as_uri(), **options)
    task = ModelTrainTask("train", plugin_config=config, outputs=outputs)
    inputs = {"epochs": epochs, "dataset_uri": "file:///data.csv"}
    return await ModelTrainingConnector().create(task.to_proto(), "", inputs, idempotency_key="key-1")


async def test_a_repeated_submission_is_the_same_job(scripted: ScriptedServer, tmp_path: Path) -> None:
    """Ray refuses the id, and tells what it was taken for."""
    scripted.answer({"submission_id": "key-1"})
    meta = await create(scripted, tmp_path)
    assert scripted.requests[0].startswith("POST /api/jobs/ HTTP/1.1\r\n")
    metadata = json.loads(scripted.requests[0].partition("\r\n\r\n")[2])["metadata"]
    scripted.replies = []
    scripted.answer(EXISTS, status="500 Internal Server Error")
    scripted.answer({"status": "RUNNING", "metadata": metadata})
    assert await create(scripted, tmp_path) == meta
    assert scripted.requests[2].startswith("GET /api/jobs/key-1 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "changed",
    [{"epochs": 2}, {"entrypoint": "rm -rf"}, {"num_gpus": 1}, {"metadata": {"team": "b"}}],
)
async def test_another_job_under_the_same_id_is_a_conflict(
    scripted: ScriptedServer, tmp_path: Path, changed: dict[str, Any]
) -> None:
    """It is not silently the old one."""
    scripted.answer({"submission_id": "key-1"})
    await create(scripted, tmp_path)
    metadata = json.loads(scripted.requests[0].partition("\r\n\r\n")[2])["metadata"]
    scripted.replies = []
    scripted.answer(EXISTS, status="500 Internal Server Error")
    scripted.answer({"status": "RUNNING", "metadata": metadata})
    with pytest.raises(ConflictError, match="key-1 with other inputs or another entrypoint"):
        await create(scripted, tmp_path, **changed)


async def test_success_is_believed_only_with_a_model(scripted: ScriptedServer, tmp_path: Path) -> None:
    """Ray knows of the exit code alone; an entrypoint may write nothing, or elsewhere."""
    scripted.answer({"submission_id": "key-1"})
    meta = await create(scripted, tmp_path)
    scripted.replies = []
    scripted.answer({"status": "SUCCEEDED", "message": "Job finished successfully."})
    resource = await ModelTrainingConnector().get(meta)
    assert resource.phase == Phase.FAILED
    assert re.search(r"ended without a model at file://.*/key-1/model\.skops", resource.message)
    model = tmp_path / "key-1" / "model.skops"
    model.parent.mkdir()
    model.write_bytes(b"model")
    resource = await ModelTrainingConnector().get(meta)
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs["results"].path == model.as_uri()


async def test_a_store_that_does_not_answer_ends_no_job(scripted: ScriptedServer) -> None:
    """Whether the model is there shows later."""
    address = scripted.endpoint.removesuffix("/jobs")
    meta = ModelTrainJobMeta("a", "", {"ray": {"address": address}}, "nowhere://bucket/a/model.skops")
    scripted.answer({"status": "SUCCEEDED"})
    with pytest.raises(ServiceUnavailableError, match="its model can't be checked"):
        await ModelTrainingConnector().get(meta)


async def test_a_stop_may_be_repeated(scripted: ScriptedServer) -> None:
    """It is a POST, and does nothing the second time."""
    address = scripted.endpoint.removesuffix("/jobs")
    meta = ModelTrainJobMeta("a b", "", {"ray": {"address": address}})
    scripted.replies = [b""]
    with pytest.raises(ServiceUnavailableError):
        await asyncio.wait_for(ModelTrainingConnector().delete(meta), 10)
    assert scripted.requests[0].startswith("POST /api/jobs/a%20b/stop HTTP/1.1\r\n")


async def test_what_a_job_needs_reaches_ray(scripted: ScriptedServer, tmp_path: Path) -> None:
    """CPUs, GPUs, memory, other resources, and the author's metadata beside ours."""
    scripted.answer({"submission_id": "key-1"})
    await create(
        scripted,
        tmp_path,
        num_cpus=2,
        num_gpus=0.5,
        memory=2**30,
        resources={"tpu": 1},
        metadata={"team": "search"},
    )
    body = json.loads(scripted.requests[0].partition("\r\n\r\n")[2])
    assert body["entrypoint_num_cpus"] == 2
    assert body["entrypoint_num_gpus"] == 0.5
    assert body["entrypoint_memory"] == 2**30
    assert body["entrypoint_resources"] == {"tpu": 1}
    assert body["metadata"].pop("flyte_training")
    assert body["metadata"] == {"team": "search"}


async def test_declared_outputs_come_from_the_report(scripted: ScriptedServer, tmp_path: Path) -> None:
    """Which the job writes beside its model; one that lacks them has failed."""
    outputs = {"model": File, "report": File, "validation_accuracy": float}
    scripted.answer({"submission_id": "key-1"})
    meta = await create(scripted, tmp_path, outputs=outputs)
    folder = tmp_path / "key-1"
    folder.mkdir()
    (folder / "model.skops").write_bytes(b"model")
    scripted.replies = []
    scripted.answer({"status": "SUCCEEDED"})
    resource = await ModelTrainingConnector().get(meta)
    assert resource.phase == Phase.FAILED
    assert "its report are not a file" in resource.message
    (folder / "report.json").write_text('{"scores": {"validation_accuracy": 0.75}}')
    resource = await ModelTrainingConnector().get(meta)
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs["validation_accuracy"] == 0.75
    assert resource.outputs["report"].path == (folder / "report.json").as_uri()


async def read(meta: ModelTrainJobMeta, token: str, lines: int) -> tuple[list[str], str | None]:
    """A page of the log, and the token of the next one."""
    found: list[str] = []
    following = None
    async for reply in ModelTrainingConnector().get_logs(meta, token, lines):
        found += [line.message for line in reply.body.lines]
        following = reply.header.token or following
    return found, following


async def test_a_long_log_is_not_read_past_the_page(scripted: ScriptedServer) -> None:
    """Ray streams it; the connection is closed as soon as the page is full."""
    sent = 0

    async def stream(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _ in range(20_000):
            writer.write(b"a line of the log\n" * 100)
            sent += 100
            await writer.drain()

    address = scripted.endpoint.removesuffix("/jobs")
    meta = ModelTrainJobMeta("key-1", "", {"ray": {"address": address}})
    scripted.answer({"status": "RUNNING", "driver_node_id": "n1"})
    scripted.replies.append(stream)
    lines, token = await read(meta, "18000", 5)
    assert lines == ["a line of the log"] * 5
    assert token == str(18000 + 5 * 18)
    assert sent < 2_000_000
    query = "node_id=n1&filename=job-driver-key-1.log&lines=-1"
    assert scripted.requests[1].startswith(f"GET /api/v0/logs/file?{query} HTTP/1.1")


async def test_a_ray_without_the_state_api_answers_the_whole_log(scripted: ScriptedServer) -> None:
    """Old clusters, and those that keep no state."""
    address = scripted.endpoint.removesuffix("/jobs")
    meta = ModelTrainJobMeta("key-1", "", {"ray": {"address": address}})
    scripted.answer({"status": "SUCCEEDED", "end_time": 1, "driver_node_id": "n1"})
    scripted.answer({}, status="404 Not Found")
    scripted.answer({"logs": "one\ntwo\nthree"})
    assert await read(meta, "4", 5) == (["two", "three"], None)
    scripted.answer({"status": "SUCCEEDED", "end_time": 1})
    scripted.answer({"logs": "one\ntwo\nthree"})
    del scripted.replies[0]
    assert await read(meta, "", 1) == (["one"], "4")
