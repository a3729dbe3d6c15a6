"""Secrets of jobs on a real Slurm: fetched on the node, and on no disk of Slurm's or ours."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from batch_jobs import template, wait_for
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from secret_jobs import NAMES, SECRET, TELLS, Told, give_secret, holders, telling_function

if TYPE_CHECKING:
    from pathlib import Path

    from slurm_jobs import SlurmJobs

pytestmark = pytest.mark.timeout(120)

VARIABLE = "FLYTE_BATCH_JOB_SLURM_SECRET_COMMAND"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of secrets that the node can ask; the service knows the secret, too, so that it can mask it."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o700)
    (folder / "db-password").write_text(f"{SECRET}\n")
    monkeypatch.setenv(VARIABLE, f"cat {folder}/{{}}")
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))
    give_secret(monkeypatch)
    return folder


def leaks(jobs: SlurmJobs, *folders: Path) -> list[Path]:
    """Files with the secret: of Slurm's controller, node and logs, of the jobs' folder, and of more folders."""
    return [path for folder in (jobs.cluster.root, jobs.folder, *folders) for path in holders(folder)]


def test_a_running_job_has_its_secret_in_memory_alone(jobs: SlurmJobs, store: Path, tmp_path: Path) -> None:
    """While it runs, and when it has told it to everyone."""
    gate, out = tmp_path / "gate", tmp_path / "out"
    script = f'echo "${{#PASSWORD}}" > {tmp_path}/begun; until [ -e {gate} ]; do sleep 0.1; done; {TELLS}'
    found: list[Told] = []
    task = template(script=script, secrets=NAMES)
    thread = threading.Thread(target=lambda: found.append(Told(task, out, jobs.key("telling"))))
    thread.start()
    try:
        wait_for(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text())
        assert (tmp_path / "begun").read_text() == f"{len(SECRET)}\n"
        assert leaks(jobs) == []
    finally:
        gate.touch()
        thread.join()
    (told,) = found
    assert told.resource.phase == Phase.FAILED
    assert told.resource.message.endswith("stderr ***")
    assert sorted(told.lines) == ["[stderr] stderr ***", "stdout ***"]
    assert SECRET not in told.everything
    assert leaks(jobs, out) == []
    assert holders(store)  # it can be found where it is


def test_a_function_tells_its_secret_to_nobody(jobs: SlurmJobs, store: Path, tmp_path: Path) -> None:
    """Neither in its log nor in its report nor in its error."""
    task = telling_function(python=sys.executable)
    told = Told(task, tmp_path / "out", jobs.key("function"), variable="PASSWORD")
    assert told.resource.phase == Phase.FAILED
    assert "ValueError: ***" in told.resource.message
    assert "it is ***" in told.lines
    assert SECRET not in told.everything
    assert leaks(jobs, tmp_path / "out", tmp_path / "state") == []


@pytest.mark.usefixtures("store")
def test_a_secret_that_the_node_does_not_have(jobs: SlurmJobs) -> None:
    """The command does not begin."""
    meta = jobs.start("echo begun", secrets={"PASSWORD": "absent"})
    resource = jobs.end(meta)
    assert resource.phase is Phase.FAILED
    assert "custom.secrets.PASSWORD: 'cat' has no secret 'absent' on node " in (resource.message or "")
    assert "begun" not in jobs.all_logs(meta)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("name", ["../db", "--help", "a b", ""])
def test_what_is_not_the_name_of_a_secret(jobs: SlurmJobs, name: str) -> None:
    """It could be a path or an option of the command."""
    with pytest.raises(InvalidRequestError, match=r"custom\.secrets\.PASSWORD: '.*' can't be a secret's name on Slurm"):
        jobs.start("true", secrets={"PASSWORD": name})


def test_without_a_command_a_secret_is_refused_before_there_is_a_job(jobs: SlurmJobs) -> None:
    """With the reason, and the setting that changes it."""
    with pytest.raises(InvalidRequestError, match=rf"custom\.secrets: .* because Slurm would store them: .*{VARIABLE}"):
        jobs.start("true", secrets=NAMES)
    assert jobs.listed("a-job") == []
