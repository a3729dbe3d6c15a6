"""Functions through a service far away, and through the wrapper that engines run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import wait_for
from etl import jobs as etl
from flyte_connectors import File, TaskEnvironment, run
from flyte_connectors.errors import ConflictError, InvalidRequestError, TaskFailedError

from flyte_connectors_batch_job import BatchJobConfig, BatchJobMetadata
from flyte_connectors_batch_job.backends.local import turns
from flyte_connectors_batch_job.functions.copied import read_outputs
from flyte_connectors_batch_job.functions.task import Array
from flyte_connectors_batch_job.request import job_request
from flyte_connectors_batch_job.wrapper import outcomes, packing

if TYPE_CHECKING:
    from batch_jobs import Jobs

MIB = 2**20


@pytest.fixture
def endpoint(jobs: Jobs, tmp_path: Path) -> Iterator[str]:
    """A service in a folder where no function's module is."""
    folder = tmp_path / "service"
    folder.mkdir()
    command = [sys.executable, "-m", "flyte_connectors", "serve", "--port", "0"]
    environment = {**os.environ, "FLYTE_CONNECTORS_METRICS_PORT": "0"}
    environment.pop("PYTHONPATH", None)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        pattern = re.compile(r"listening on (?:http://)?([\w.]+:\d+)")
        address = wait_for(lambda: pattern.search(log.read_text()))[1]
        yield address
    finally:
        process.terminate()
        process.wait()


def test_a_service_runs_what_it_can_not_import(endpoint: str, tmp_path: Path) -> None:
    """Code, values and files reach the job by the service, which has none of the modules."""
    (tmp_path / "rows.txt").write_text("one\n")
    far = run.on(endpoint)
    stored, size = far(etl.clean, rows=File(str(tmp_path / "rows.txt"))).outputs()
    assert (stored.name, size) == ("clean.txt", 4)
    with pytest.raises(TaskFailedError, match=r"etl/rows\.py:8 in parsed"):
        far(etl.total, rows=["x"])


def test_an_engine_runs_a_function_by_the_wrapper(tmp_path: Path) -> None:
    """As Slurm and Kubernetes do: from one text, with files, and an outcome file."""
    (tmp_path / "rows.txt").write_text("one\n")
    inputs = {"rows": File(str(tmp_path / "rows.txt")), "factor": 2.0}
    prefix = str(tmp_path / "stored")
    request = job_request(etl.clean.to_proto(), inputs, prefix, python=sys.executable)
    uri = str(tmp_path / "outcome.json")
    text = packing.script("the-job", request, outcome=uri, folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome = outcomes.read(uri)
    assert outcome is not None
    assert outcome.state.outputs is not None
    literals = read_outputs(outcome.state.outputs)
    assert literals["o0"].scalar.blob.uri == f"{prefix}/files/o0/clean.txt"
    assert literals["o1"].scalar.primitive.integer == 8


def test_an_array_runs_a_function_for_each_value(tmp_path: Path) -> None:
    """Each job takes the value of its index; the outputs are lists."""
    env = TaskEnvironment("etl", plugin_config=BatchJobConfig(backend="slurm", python=sys.executable))
    array = Array(env.task(etl.doubled.function), "n", 2)
    inputs = {"n": [3, 4], "seconds": 0.0}
    request = job_request(array.to_proto(), inputs, str(tmp_path / "stored"))
    uri = str(tmp_path / "outcome-{index}.json")
    text = packing.script("the-job", request, outcome=uri, folder=str(tmp_path), index_variable="INDEX")
    written = []
    for index in ("0", "1"):
        environment = {**os.environ, "INDEX": index}
        command = [sys.executable, "-I", "-S", "-c", text]
        subprocess.run(command, env=environment, check=True)
        outcome = outcomes.read(uri.format(index=index))
        assert outcome is not None
        written.append(outcome.state.outputs or {})
    collected = {name: [one[name] for one in written] for name in written[0]}
    literals = read_outputs(collected)["o0"].collection.literals
    assert [literal.scalar.primitive.integer for literal in literals] == [6, 8]


def test_cancelling_a_map_ends_its_jobs(jobs: Jobs, tmp_path: Path) -> None:
    """All of them, those that wait for slots included."""

    def submitted() -> list[Path]:
        return list(Path(jobs.spool.root).glob("[!.]*/spec.json"))

    async def cancelled() -> None:
        gates = [str(tmp_path / f"gate{number}") for number in range(4)]
        mapping = asyncio.ensure_future(etl.waiting.map(gates))
        await asyncio.to_thread(wait_for, lambda: len(submitted()) == 4)
        mapping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await mapping

    asyncio.run(cancelled())
    for name in [path.parent.name for path in submitted()]:
        assert wait_for(lambda name=name: turns.state_of(jobs.spool.job(name))["state"] == "aborted")


def test_calls_in_parallel_end_each_by_itself(jobs: Jobs, tmp_path: Path) -> None:
    """One after its timeout, which ends its job; one after another attempt; one as usual."""
    marks = tmp_path / "marks"
    marks.mkdir()
    env = TaskEnvironment("etl", plugin_config=BatchJobConfig())
    late = env.task(timeout=0.5)(etl.waiting.function)

    async def all_of_them() -> list[Any]:
        calls: Any = (late(str(tmp_path / "gate")), etl.second_time(str(marks)), etl.doubled(2))
        return await asyncio.gather(*calls, return_exceptions=True)

    timed_out, attempt, doubled = asyncio.run(all_of_them())
    assert isinstance(timed_out, TaskFailedError)
    assert (attempt, doubled) == (1, 4)
    specs = Path(jobs.spool.root).glob("[!.]*/spec.json")
    found = sorted(path.parent.name for path in specs)
    assert len(found) == 4

    def ended() -> list[str]:
        states = [str(turns.state_of(jobs.spool.job(name))["state"]) for name in found]
        return sorted(states) if "running" not in states else []

    assert wait_for(ended) == ["aborted", "lost", "succeeded", "succeeded"]


def test_tables_are_copied_in_and_out() -> None:
    """As parquet."""
    stored = etl.table(5)
    assert stored.uri is not None
    assert "/files/o0/" in stored.uri
    assert etl.summed(stored) == 10


def test_a_file_that_would_be_lost_is_refused() -> None:
    """Only references in lists and dictionaries are stored."""
    with pytest.raises(TaskFailedError, match=r"x\.txt is in a dataclass or a model"):
        etl.hidden()


def test_a_large_file_passes_through_in_pieces(jobs: Jobs, tmp_path: Path) -> None:
    """Whatever its size, no process of the job needs much memory."""
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(50 * MIB)
    stored: Any = etl.copied(File(str(large)))
    assert Path(stored.path.removeprefix("file://")).stat().st_size == 50 * MIB
    (usage,) = Path(jobs.spool.root).glob("[!.]*/usage.json")
    assert json.loads(usage.read_text())["peak_memory_bytes"] < 80 * MIB


def test_the_image_and_the_resources_of_an_environment_are_the_jobs() -> None:
    """As for any batch job; a container of its own would go to Flyte's back end."""
    env = TaskEnvironment("e", image="etl:1", env_vars={"A": "b"}, plugin_config=BatchJobConfig())
    template = env.task(etl.nothing.function).to_proto()
    config = BatchJobConfig.from_custom(template.custom)
    assert not template.HasField("container")
    assert (config.image, config.env) == ("etl:1", {"A": "b"})
    assert config.function is not None
    assert config.function.name == "nothing"


def test_a_repeated_create_finds_the_job_of_the_same_code_only(jobs: Jobs, tmp_path: Path) -> None:
    """Under one key runs one code, whatever a client sends later."""
    template, prefix = etl.doubled.to_proto(), str(tmp_path / "out")

    def create() -> BatchJobMetadata:
        inputs = {"n": 2, "seconds": 0.0}
        return jobs.connector.create(template, prefix, inputs, idempotency_key="one")

    meta = create()
    assert create() == meta
    assert meta.is_function
    resource = jobs.end(meta)
    assert resource.outputs["o0"].scalar.primitive.integer == 4
    assert len(list(Path(jobs.spool.root).glob("[!.]*/spec.json"))) == 1
    template.custom["function"]["digest"] = "0" * 64
    with pytest.raises(ConflictError, match="exists already and runs something else"):
        create()


def test_a_function_that_prints_and_fails_late_says_why_it_failed() -> None:
    """What is printed at exit does not hide it."""
    with pytest.raises(TaskFailedError, match="RuntimeError: out of rows"):
        etl.noisy()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"function": {"module": "m"}}, r"custom\.function\.name: missing"),
        (
            {"function": {"module": "m", "name": "f", "code": "ftp://x/y"}},
            r"custom\.function\.code",
        ),
        ({"script": "ls"}, r"custom\.script: set beside custom\.function"),
        ({"array": 2}, r"custom\.array: must be set together with"),
        ({"python": ""}, r"custom\.python: must be the path or the name"),
    ],
)
def test_a_wrong_function_in_custom_is_refused_by_field(jobs: Jobs, changes: dict[str, Any], message: str) -> None:
    """As any field of the job."""
    template = etl.nothing.to_proto()
    template.custom.update(changes)
    with pytest.raises(InvalidRequestError, match=message):
        jobs.connector.create(template, "", {}, idempotency_key="wrong")
