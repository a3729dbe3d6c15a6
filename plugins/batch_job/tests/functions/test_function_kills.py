"""SIGKILL at each step of a function's way: in the create, in keeper and supervisor, in the client, in the service.

From packing its code to its outputs, each process that takes part is killed at each of its steps, one after the other.
No call is lost, and none is made twice. The default run has a few of the steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import is_running, wait_until_alone
from counted.jobs import counted
from flyte_connectors import File, run
from flyte_connectors.connector import Phase
from test_function_crashes import Beside, serve

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.functions.copied import STORED

if TYPE_CHECKING:
    from batch_jobs import Jobs

HERE = Path(__file__).parent
KILL_AT = HERE.parents[3] / "tests" / "attack" / "kill_at.py"
MOST_STEPS = 300

SOME = pytest.param((4, 17), id="some")
ALL = pytest.param(None, id="all", marks=[pytest.mark.slow, pytest.mark.timeout(1800)])


class Calls:
    """The calls of the function, which copies a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = folder / "stored"
        self.rows = folder / "rows.txt"
        self.text = "row\n" * 1000
        self.rows.write_text(self.text)

    def marks(self, step: int) -> Path:
        """Has a line for each call of a step."""
        return self.folder / f"marks-{step}"

    def inputs(self, step: int) -> dict[str, Any]:
        """The function's."""
        return {"marks": str(self.marks(step)), "rows": File(str(self.rows))}

    def pids(self, step: int) -> list[int]:
        """The processes that have called it."""
        file = self.marks(step)
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def check(self, outputs: Any) -> None:
        """They are those of the function."""
        stored, size = outputs
        assert size == len(self.text)
        assert Path(stored.removeprefix("file://")).read_text() == self.text


@pytest.fixture
def calls(jobs: Jobs, tmp_path: Path) -> Calls:
    """Nothing was called."""
    return Calls(tmp_path)


def steps(chosen: tuple[int, ...] | None) -> Iterator[int]:
    """Those to be killed at."""
    for step in chosen or count(1):
        assert step < MOST_STEPS
        yield step


def create(jobs: Jobs, calls: Calls, step: int, key: str) -> BatchJobMetadata:
    """Create the job of a step."""
    template = counted.to_proto()
    return jobs.connector.create(template, str(calls.prefix), calls.inputs(step), idempotency_key=key)


def kill_at(verb: str, jobs: Jobs, calls: Calls, step: int) -> bool:
    """Run `kill_at.py`. Returns whether it was killed."""
    arguments = [verb, jobs.spool.root, f"job-{step}", str(calls.marks(step)), str(step), "function", str(calls.prefix)]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "ROWS": str(calls.rows)}
    done = subprocess.run([sys.executable, KILL_AT, *arguments], env=environment, capture_output=True, check=False)
    assert not done.stderr, done.stderr.decode()
    return not done.stdout.endswith(b"done\n")


def outputs_of(resource: Any) -> tuple[str, int]:
    """The file and the number that a job has returned."""
    literals = resource.outputs
    uri = literals["o0"].scalar.blob.uri
    assert not uri.startswith(STORED)
    return uri, literals["o1"].scalar.primitive.integer


@pytest.mark.parametrize("chosen", [SOME, ALL])
def test_a_create_that_is_killed_is_completed_by_the_next(
    jobs: Jobs, calls: Calls, chosen: tuple[int, ...] | None
) -> None:
    """The same key gives the one job, and the function is called once."""
    for step in steps(chosen):
        killed = kill_at("submit", jobs, calls, step)
        resource = jobs.end(create(jobs, calls, step, f"job-{step}"))
        assert resource.phase == Phase.SUCCEEDED, resource
        calls.check(outputs_of(resource))
        assert len(calls.pids(step)) == 1
        if not killed:
            assert step > 10
            return


@pytest.mark.parametrize(("verb", "fewest_steps"), [("supervise", 20), ("keep", 2)])
@pytest.mark.parametrize("chosen", [ALL])
def test_a_guardian_that_is_killed_leaves_all_or_a_job_that_is_lost(
    jobs: Jobs, calls: Calls, verb: str, fewest_steps: int, chosen: tuple[int, ...] | None
) -> None:
    """A call that was made is not made again under its key; no process of it goes on; the next attempt finds the code."""
    first = jobs.end(create(jobs, calls, 0, "first"))
    calls.check(outputs_of(first))
    for step in steps(chosen):
        killed = kill_at(verb, jobs, calls, step)
        job = jobs.spool.job(f"job-{step}")
        wait_until_alone(job)
        resource = jobs.end(create(jobs, calls, step, job.id))
        assert len(calls.pids(step)) <= 1
        assert not any(map(is_running, calls.pids(step)))
        if resource.phase == Phase.SUCCEEDED:
            calls.check(outputs_of(resource))
            if not killed:
                assert step > fewest_steps
                break
        else:
            assert resource.phase == Phase.RETRYABLE_FAILED, resource
            assert Path(job.file("begun.json")).exists()
    calls.check(outputs_of(jobs.end(create(jobs, calls, step + 1, "last"))))


CLIENT = """
import sys
from counted.jobs import counted
from flyte_connectors import File
from kill_steps import kill_at
kill_at(int(sys.argv[1]))
counted(sys.argv[2], File(sys.argv[3]))
print("done")
"""


@pytest.mark.parametrize("chosen", [SOME, ALL])
def test_a_client_that_is_killed_leaves_a_whole_job_or_none(
    jobs: Jobs, calls: Calls, tmp_path: Path, chosen: tuple[int, ...] | None
) -> None:
    """Also while it packs and stores the code, of which the next client finds all or nothing."""
    known: set[str] = set()
    for step in steps(chosen):
        environment = {**os.environ, "PYTHONPATH": str(HERE), "FLYTE_CONNECTORS_STATE_DIR": str(tmp_path / f"s-{step}")}
        arguments = [str(step), str(calls.marks(step)), str(calls.rows)]
        client = [sys.executable, "-c", CLIENT, *arguments]
        done = subprocess.run(client, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -9), done.stderr
        names = {path.parent.name for path in Path(jobs.spool.root).glob("[!.]*/spec.json")} - known
        assert len(names) <= 1
        known |= names
        again = subprocess.run(
            [*client[:-3], "0", *arguments[1:]], env=environment, cwd=tmp_path, capture_output=True, check=False
        )  # fmt: skip
        assert again.returncode == 0, again.stderr.decode()
        succeeded = 0
        for name in names:
            if not Path(jobs.spool.job(name).file("begun.json")).exists():
                # Its client was killed while it submitted it: a create of its key would begin it.
                jobs.connector.delete(BatchJobMetadata(name))
            resource = jobs.end(BatchJobMetadata(name))
            assert resource.phase in (Phase.SUCCEEDED, Phase.ABORTED)
            succeeded += resource.phase == Phase.SUCCEEDED
        assert 1 + succeeded <= len(calls.pids(step)) <= 1 + len(names)
        known |= {path.parent.name for path in Path(jobs.spool.root).glob("[!.]*/spec.json")}
        if done.returncode == 0:
            assert step > 10
            return


@pytest.mark.parametrize("chosen", [ALL])
def test_a_service_that_is_killed_is_followed_by_the_next(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: tuple[int, ...] | None
) -> None:
    """The client goes on with it, and the function is called once."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL_SHARED", "1")  # the next service has it, so a create may be repeated
    (tmp_path / "sitecustomize.py").write_text("import kill_steps\n")  # Python imports it when it starts
    for step in steps(chosen):
        with monkeypatch.context() as first:
            first.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{HERE}")
            first.setenv("KILL_AT_STEP", str(step))
            process, address = serve(0, tmp_path / f"first-{step}")
        second = None
        try:
            call = Beside(lambda step=step, address=address: run.on(address)(counted, **calls.inputs(step)).outputs())
            while call.is_alive and process.poll() is None:
                call.wait(0.1)
            killed = process.poll() is not None
            if killed:
                second, _ = serve(int(address.rpartition(":")[2]), tmp_path / f"second-{step}")
            stored, size = call.result()
            calls.check((stored.path, size))
            assert len(calls.pids(step)) == 1
        finally:
            for one in filter(None, (process, second)):
                one.kill()
                one.wait()
        if not killed:
            assert step > 10
            return
