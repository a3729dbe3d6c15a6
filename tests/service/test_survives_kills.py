"""kill -9 in mid-job: another process goes on, nothing is lost, nothing happens twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flyte_connectors import Phase
from flyte_connectors_batch_job import BatchJobConfig
from flyteidl2.connector import connector_pb2 as pb

from tests.fakes.job_service import until
from tests.fakes.requests import create_request
from tests.fakes.serve_process import start
from tests.service.client import Client, Job

KILLS = int(os.environ.get("SOAK", "5"))
SCRIPT = """
echo "$BATCH_JOB_ID" >> "$BATCH_JOB_INPUT_STARTS"
while [ ! -e "$BATCH_JOB_INPUT_GO" ]; do sleep 0.02; done
echo "answer-of-$BATCH_JOB_ID"
"""


def request(run: str, folder: Path) -> pb.CreateTaskRequest:
    """A job that writes down each of its starts, and ends when told."""
    inputs = {"starts": str(folder / "starts"), "go": str(folder / f"go-{run}")}
    custom = BatchJobConfig(script=SCRIPT, timeout_seconds=60).to_custom()
    return create_request("batch_job", run=run, inputs=inputs, outputs={"result": str}, custom=custom)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where jobs meet the test; whatever happens, they are told to end."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(tmp_path / "spool"))
    yield tmp_path
    for number in range(KILLS):
        (tmp_path / f"go-kill{number}").touch()


@pytest.mark.slow
@pytest.mark.timeout(60 + 10 * KILLS)
async def test_a_killed_service_loses_and_doubles_nothing(folder: Path) -> None:
    """Each round: create, kill, restart, replay the create, end the job, read its answer."""
    service = start("--allow", "batch_job", log=folder / "log")
    metas: list[bytes] = []
    try:
        for number in range(KILLS):
            run = f"kill{number}"
            asked = request(run, folder)
            async with Client(service.address) as client:
                job = await client.send(asked)
                await until(lambda job=job: _starts(folder, len(metas) + 1), "the job's start")
            service.process.kill()
            service.process.wait()
            service = start("--allow", "batch_job", log=folder / "log")
            async with Client(service.address) as client:
                replayed = await client.send(asked)
                assert replayed.meta == job.meta
                survivor = Job(client, job.meta, job.category)
                assert (await survivor.get()).phase == Phase.RUNNING
                (folder / f"go-{run}").touch()
                answer = await _answer(survivor)
                lines, _ = await survivor.page()
            assert answer.startswith("answer-of-")
            assert lines == [answer]
            metas.append(job.meta)
    finally:
        service.process.kill()
        service.process.wait()
    starts = (folder / "starts").read_text().splitlines()
    assert len(starts) == len(set(starts)) == len(set(metas)) == KILLS


async def _answer(job: Job) -> str:
    while (resource := await job.get()).phase == Phase.RUNNING:
        pass
    assert resource.phase == Phase.SUCCEEDED, resource.message
    text: str = resource.outputs.literals[0].value.scalar.primitive.string_value
    return text


def _starts(folder: Path, wanted: int) -> bool:
    path = folder / "starts"
    return path.exists() and len(path.read_text().splitlines()) == wanted
