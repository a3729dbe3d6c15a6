"""More jobs than slots: they wait in order, and none is lost, doubled or started too early."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import SPEC, Jobs, is_running, wait_for, wait_until_alone
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import InvalidRequestError, ServiceUnavailableError

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.backends.local.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable

KILL_AT = str(Path(__file__).parents[3] / "tests" / "attack" / "kill_at.py")
MOST_STEPS = 200


@pytest.fixture(autouse=True)
def _one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "1")


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """Where jobs write down that they start and end."""
    return tmp_path / "starts"


def noting(starts: Path, seconds: float = 0) -> str:
    """A job that notes its start and its end."""
    note = f">> {starts}"
    return f"echo + $BATCH_JOB_ID {note}; sleep {seconds}; echo - $BATCH_JOB_ID {note}"


def until_told(folder: Path) -> str:
    """A job that ends when a file appears."""
    return f"while [ ! -e {folder}/go ]; do sleep 0.02; done"


def ids(starts: Path, sign: str = "+") -> list[str]:
    """The ids of the jobs that have started, in order; of those that have ended with `-`."""
    lines = starts.read_text().split("\n")[:-1] if starts.exists() else []
    return [line[2:] for line in lines if line[0] == sign]


def most_at_once(starts: Path) -> int:
    """How many jobs ran at the same time."""
    running = most = 0
    for line in starts.read_text().splitlines():
        running += 1 if line[0] == "+" else -1
        most = max(most, running)
    return most


def ended(jobs: Jobs, metas: Iterable[BatchJobMetadata]) -> bool:
    """Whether all have, by asking about each as Flyte does."""
    return all(jobs.connector.get(meta).phase in TERMINAL_PHASES for meta in metas)


def guardians(jobs: Jobs, meta: BatchJobMetadata) -> list[int]:
    """Process ids of a job's keeper and supervisor."""
    begun = json.loads(Path(jobs.job(meta).file("begun.json")).read_text())
    return [begun[name][0] for name in ("keeper", "supervisor")]


def test_a_job_without_a_slot_is_queued_and_runs_when_there_is_one(jobs: Jobs, tmp_path: Path) -> None:
    """Nobody has to ask: the job that ends starts the next."""
    first = jobs.start(until_told(tmp_path), key="first")
    second = jobs.start(f"touch {tmp_path}/second", key="second")
    resource = jobs.connector.get(second)
    assert (resource.phase, resource.message) == (Phase.QUEUED, "waiting for slots")
    assert jobs.connector.get(first).phase == Phase.RUNNING
    assert not jobs.job(second).has_begun()
    (tmp_path / "go").touch()
    wait_for((tmp_path / "second").exists)
    assert jobs.end(second).phase == jobs.end(first).phase == Phase.SUCCEEDED


def test_jobs_start_in_the_order_of_their_creation(jobs: Jobs, tmp_path: Path, starts: Path) -> None:
    """And of their priority first."""
    jobs.start(until_told(tmp_path), key="first")
    priorities = {"b": 0, "a": 0, "late": -5, "early": 7, "c": 0}
    metas = [jobs.start(noting(starts), key=key, priority=priority) for key, priority in priorities.items()]
    (tmp_path / "go").touch()
    wait_for(lambda: len(ids(starts, "-")) == len(metas))
    assert ids(starts) == ["early", "b", "a", "c", "late"]


def test_never_more_jobs_run_than_there_are_slots(jobs: Jobs, starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks meanwhile."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "3")
    metas = [jobs.start(noting(starts, 0.5), key=f"j{number:02d}") for number in range(12)]
    wait_for(lambda: ended(jobs, metas))
    assert sorted(ids(starts)) == sorted(ids(starts, "-")) == [meta.job_id for meta in metas]
    assert 2 <= most_at_once(starts) <= 3


def test_cores_and_memory_that_are_asked_for_are_counted(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that does not fit lets none behind it pass."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "4")
    monkeypatch.setenv("FLYTE_BATCH_JOB_MEMORY", "1Gi")
    wishes: dict[str, dict[str, Any]] = {
        "wide": {"cpu": 2.5},
        "big": {"memory": "700Mi"},
        "also-big": {"memory": "700Mi"},
        "small": {},
    }
    metas = {key: jobs.start(until_told(tmp_path), key=key, **wish) for key, wish in wishes.items()}
    phases = {key: jobs.connector.get(meta).phase for key, meta in metas.items()}
    assert phases == {
        "wide": Phase.RUNNING,
        "big": Phase.RUNNING,
        "also-big": Phase.QUEUED,
        "small": Phase.QUEUED,
    }
    (tmp_path / "go").touch()
    wait_for(lambda: ended(jobs, metas.values()))


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"cpu": 3}, "custom.cpu: 3 is more than there is: 2 (FLYTE_BATCH_JOB_SLOTS)"),
        (
            {"memory": "2Gi"},
            "custom.memory: 2Gi is more than there is: 1024Mi (FLYTE_BATCH_JOB_MEMORY)",
        ),
    ],
)
def test_what_would_wait_for_ever_is_refused(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, wish: dict[str, Any], message: str
) -> None:
    """Before anything is submitted."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "2")
    monkeypatch.setenv("FLYTE_BATCH_JOB_MEMORY", "1Gi")
    with pytest.raises(InvalidRequestError) as caught:
        jobs.start("true", **wish)
    assert caught.value.message == message
    assert not jobs.spool.job("a-job").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SLOTS", "0"), ("SLOTS", "two"), ("SLOTS", "-1"), ("MEMORY", "much"), ("MEMORY", "1.5Gi")],
)
def test_a_wrong_setting_is_named(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """With its value."""
    monkeypatch.setenv(f"FLYTE_BATCH_JOB_{name}", value)
    with pytest.raises(ServiceUnavailableError, match=f"FLYTE_BATCH_JOB_{name}: invalid value '{value}'"):
        jobs.start("true")


def test_a_waiting_job_costs_no_process(jobs: Jobs, tmp_path: Path) -> None:
    """Hundreds may wait."""
    jobs.start(until_told(tmp_path), key="first")
    waiting = jobs.start("true", key="second")
    assert not jobs.job(waiting).is_guarded()
    assert not Path(jobs.job(waiting).file("supervisor.err")).exists()
    (tmp_path / "go").touch()
    assert jobs.end(waiting).phase == Phase.SUCCEEDED


def test_a_waiting_job_can_be_cancelled(jobs: Jobs, tmp_path: Path, starts: Path) -> None:
    """It is ABORTED at once, never starts, and keeps nobody waiting."""
    jobs.start(until_told(tmp_path), key="first")
    cancelled = jobs.start(noting(starts), key="second")
    third = jobs.start(noting(starts), key="third")
    jobs.connector.delete(cancelled)
    assert jobs.connector.get(cancelled).phase == Phase.ABORTED
    (tmp_path / "go").touch()
    wait_for(lambda: ids(starts, "-") == ["third"])
    assert jobs.end(third).phase == Phase.SUCCEEDED
    assert jobs.connector.get(cancelled).phase == Phase.ABORTED


@pytest.mark.parametrize("ending", ["cancelled", "too late", "failed", "lost"])
def test_however_a_job_ends_the_next_one_starts(jobs: Jobs, starts: Path, ending: str) -> None:
    """Its slot is free when none of its processes is alive."""
    limit = 0.5 if ending == "too late" else 60
    script = "exit 3" if ending == "failed" else "sleep 60"
    first = jobs.start(script, key="first", timeout_seconds=limit)
    jobs.start(noting(starts), key="second")
    if ending == "cancelled":
        jobs.connector.delete(first)
    if ending == "lost":
        os.kill(guardians(jobs, first)[1], signal.SIGKILL)
    wait_for(lambda: ids(starts, "-") == ["second"])


def test_after_a_killed_keeper_the_next_one_starts(jobs: Jobs, starts: Path) -> None:
    """The supervisor does it then."""
    first = jobs.start("sleep 60", key="first")
    jobs.start(noting(starts), key="second")
    os.kill(guardians(jobs, first)[0], signal.SIGKILL)
    wait_for(lambda: ids(starts, "-") == ["second"])


def test_the_queue_survives_the_death_of_everything(jobs: Jobs, starts: Path) -> None:
    """Keeper, supervisor and command at once: the next question goes on with the queue."""
    first = jobs.start("sleep 60 & echo $! >$BATCH_JOB_OUTPUTS.kid; wait", key="first")
    kid = jobs.process_id(first, "kid")
    metas = [jobs.start(noting(starts), key=f"j{number}") for number in range(4)]
    keeper, supervisor = guardians(jobs, first)
    os.kill(keeper, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    wait_until_alone(jobs.job(first))
    assert jobs.connector.get(metas[-1]).phase in (Phase.QUEUED, Phase.RUNNING)
    assert not is_running(kid)  # before its slot is given away
    wait_for(lambda: ended(jobs, metas))
    assert ids(starts) == [meta.job_id for meta in metas]
    assert jobs.connector.get(first).phase == Phase.RETRYABLE_FAILED


@pytest.mark.timeout(240)
def test_a_submit_killed_at_any_step_loses_and_doubles_nothing(jobs: Jobs, spool: Spool, starts: Path) -> None:
    """With others that wait before and after it; the slot is never lost."""
    jobs.run("true", key="first")  # the spool has an identity from now on
    for step in count(1):
        key = f"job-{step:03d}"
        command = [sys.executable, KILL_AT, "submit", spool.root, key, noting(starts), str(step)]
        killed = not subprocess.run(command, capture_output=True, check=False).stdout
        other = jobs.start(noting(starts), key=f"{key}-other")
        again = jobs.start(noting(starts), key=key, outputs={"result": "STRING"})
        wait_for(lambda metas=(other, again): ended(jobs, metas))
        assert sorted(ids(starts)[-2:]) == [key, f"{key}-other"]
        if not killed:
            break
        assert step < MOST_STEPS
    assert len(set(ids(starts))) == len(ids(starts)) == 2 * step
    assert most_at_once(starts) == 1
    assert step > 10


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("verb", "fewest_steps"), [("supervise", 20), ("keep", 5)])
def test_a_guardian_killed_at_any_step_keeps_nobody_waiting(
    jobs: Jobs, spool: Spool, starts: Path, verb: str, fewest_steps: int
) -> None:
    """Whoever asks about the next job starts it, once nothing of this one is alive."""
    jobs.run("true", key="first")  # the spool has an identity from now on
    for step in count(1):
        job = Spool(spool.root).job(f"job-{step}")
        spool._publish(job, {**SPEC, "script": noting(starts, 0.1)})
        command = [sys.executable, KILL_AT, verb, spool.root, job.id, "", str(step), "queue"]
        answer = subprocess.run(command, capture_output=True, check=False)
        assert not answer.stderr, answer.stderr.decode()
        jobs.end(jobs.start(noting(starts), key=f"next-{step}"))
        wait_until_alone(job)
        assert ids(starts, "-")[-1] in (job.id, f"next-{step}")
        assert f"next-{step}" in ids(starts, "-")
        if answer.stdout.endswith(b"done\n"):
            break
        assert step < MOST_STEPS
    assert len(set(ids(starts))) == len(ids(starts))
    assert step > fewest_steps


def test_two_services_share_the_slots_of_a_spool(spool: Spool, starts: Path) -> None:
    """Each submits half of the jobs, in processes of their own."""
    program = (
        "import sys; from flyte_connectors_batch_job.backends.local.spool import Spool\n"
        "for n in range(6): Spool(sys.argv[1]).submit(f'{sys.argv[2]}-{n}', eval(sys.argv[3]))"
    )
    spec = repr({**SPEC, "script": noting(starts, 0.02)})
    services = [subprocess.Popen([sys.executable, "-c", program, spool.root, name, spec]) for name in ("a", "b")]
    assert [service.wait() for service in services] == [0, 0]
    wait_for(lambda: len(ids(starts, "-")) == 12)
    assert len(set(ids(starts))) == 12
    assert most_at_once(starts) == 1
    assert not list(Path(spool.root, ".queue", "waiting").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_five_hundred_jobs_on_two_slots(jobs: Jobs, starts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, never more than two, none lost."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "2")
    keys = [f"j{number:03d}" for number in range(500)]
    metas = [jobs.start(noting(starts), key=key) for key in keys]
    deadline = time.monotonic() + 200
    while len(ids(starts, "-")) < len(keys):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    started = ids(starts)
    assert sorted(started) == keys
    pending = set(keys)
    for key in started:  # on a busy machine a job that has its slot may be slow to start
        pending.remove(key)
        assert sum(other < key for other in pending) <= 1
    assert most_at_once(starts) <= 2
    wait_for(lambda: all(jobs.connector.get(meta).phase == Phase.SUCCEEDED for meta in metas))
