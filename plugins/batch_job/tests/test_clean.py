"""Removing old jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from batch_jobs import SPEC, Jobs, fill, wait_for, wait_until_alone
from flyte_connectors.connector import Phase
from hostile_trees import alive, guardians, kill

from flyte_connectors_batch_job import BatchJobMetadata
from flyte_connectors_batch_job.backends.local import turns
from flyte_connectors_batch_job.backends.local.cleaning import clean
from flyte_connectors_batch_job.backends.local.spool import Spool
from flyte_connectors_batch_job.clean import main

TWO_DAYS_AGO = time.time() - 2 * 86400


def age(path: str | Path) -> None:
    """Let nothing have happened there for two days."""
    os.utime(path, (TWO_DAYS_AGO, TWO_DAYS_AGO))


def names_in(root: Path) -> set[str]:
    """What is in a spool beside its queue."""
    return {path.name for path in root.iterdir()} - {".queue"}


def test_only_old_jobs_that_have_ended_are_removed(
    jobs: Jobs, spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Running jobs and young ones stay, remains of crashed creates go."""
    old, young, running = (jobs.start(s, key=s[:5]) for s in ("true", "false", "sleep 60"))
    for meta in (old, young):
        jobs.end(meta)
        wait_until_alone(jobs.job(meta))
    remains = Path(spool.root) / ".new-abc"
    remains.mkdir()
    for path in (jobs.job(old).path, jobs.job(running).path, remains):
        age(path)
    assert main(["--older-than", "1"]) == 0
    assert capsys.readouterr().out == "removed 1 job\n"
    assert names_in(Path(spool.root)) == {".spool.json", "false", "sleep"}
    assert jobs.connector.get(running).phase == Phase.RUNNING


def test_a_spool_that_is_not_there_is_one_line(spool: Spool, capsys: pytest.CaptureFixture[str]) -> None:
    """And another exit code."""
    assert main(["--older-than", "1"]) == 1
    assert capsys.readouterr().err.startswith(f"error: [Errno 2] No such file or directory: '{spool.root}")


def test_a_job_that_waits_for_slots_stays(jobs: Jobs, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "1")
    jobs.start("sleep 60", key="first")
    waiting = jobs.start("true", key="second")
    age(jobs.job(waiting).path)
    assert main(["--older-than", "1"]) == 0
    assert jobs.connector.get(waiting).phase == Phase.QUEUED


def test_a_job_whose_turn_has_just_come_stays(jobs: Jobs, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has slots, and no supervisor yet."""
    with monkeypatch.context() as patch:
        patch.setattr(turns, "launch", lambda *_: None)
        meta = jobs.start("true")
    age(jobs.job(meta).path)
    assert main(["--older-than", "1"]) == 0
    assert jobs.end(meta).phase == Phase.SUCCEEDED


def finished(jobs: Jobs, count: int) -> list[Path]:
    """Directories of so many old jobs."""
    metas = [jobs.start("echo x; mkdir -p a/b; chmod 0 a", key=f"old-{n}") for n in range(count)]
    for meta in metas:
        jobs.end(meta)
        wait_until_alone(jobs.job(meta))
        age(jobs.job(meta).path)
    return [Path(jobs.job(meta).path) for meta in metas]


def test_cleaning_twice_at_once_removes_each_job_once(jobs: Jobs) -> None:
    """Neither fails over what the other has removed."""
    folders = finished(jobs, 12)
    command = [sys.executable, "-m", "flyte_connectors_batch_job.clean", "--older-than", "1"]
    cleaners = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [(*cleaner.communicate(), cleaner.returncode) for cleaner in cleaners]
    assert [(errors, code) for _, errors, code in answers] == [("", 0)] * 4
    assert sum(int(said.split()[1]) for said, _, _ in answers) == len(folders)
    assert names_in(Path(jobs.spool.root)) == {".spool.json"}


def test_remains_that_many_remove_at_once_are_gone_for_each(spool: Spool) -> None:
    """Whatever vanishes under a cleaner, at whatever depth, is as good as removed by it."""
    remains = Path(spool.root) / ".new-abc"
    for number in range(60):
        folder = remains / str(number % 6) / str(number)
        folder.mkdir(parents=True)
        (folder / "file").touch()
    for number in range(0, 60, 6):
        (remains / "0" / str(number)).chmod(0)
    age(remains)
    with ThreadPoolExecutor(8) as cleaners:
        answers = list(cleaners.map(lambda _: clean(spool, older_than=86400), range(8)))
    assert answers == [([], [])] * 8
    assert not remains.exists()


def test_what_is_not_a_job_stays(jobs: Jobs, spool: Spool, tmp_path: Path) -> None:
    """Links, dangling or not, and files; nothing behind a link is touched."""
    finished(jobs, 1)
    root = Path(spool.root)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (root / "dangling").symlink_to("nowhere")
    (root / "link").symlink_to(kept)
    (root / ".new-link").symlink_to(kept)
    (root / "file").touch()
    for path in root.iterdir():
        os.utime(path, (TWO_DAYS_AGO, TWO_DAYS_AGO), follow_symlinks=False)
    assert main(["--older-than", "1"]) == 0
    names = {".new-link", ".spool.json", "dangling", "file", "link"}
    assert names_in(root) == names
    assert (kept / "file").exists()


def test_links_within_a_job_are_removed_and_not_followed(jobs: Jobs, tmp_path: Path) -> None:
    """A job can't have the cleaner remove, or open, what is not its own."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    kept.chmod(0o500)
    meta = jobs.start(f"ln -s {kept} there; ln -s nowhere dangling; mkdir -m 0 closed")
    jobs.end(meta)
    wait_until_alone(jobs.job(meta))
    age(jobs.job(meta).path)
    assert main(["--older-than", "1"]) == 0
    assert not Path(jobs.job(meta).path).exists()
    assert kept.stat().st_mode & 0o777 == 0o500
    kept.chmod(0o700)
    assert (kept / "file").exists()


def test_a_job_that_lost_its_guardians_is_ended_before_it_is_removed(jobs: Jobs) -> None:
    """No unknown process is left."""
    meta = jobs.start("setsid sh -c 'sleep 600; : cleaned-x' & sleep 600")
    wait_for(lambda: alive("cleaned-x"))
    kill(*guardians(jobs.job(meta)))
    wait_until_alone(jobs.job(meta))
    age(jobs.job(meta).path)
    assert main(["--older-than", "1"]) == 0
    assert not Path(jobs.job(meta).path).exists()
    assert not alive("cleaned-x")


def test_a_job_that_never_began_is_removed(jobs: Jobs, spool: Spool) -> None:
    """Its create crashed, and was never repeated."""
    finished(jobs, 1)
    job = Spool(spool.root).job("early")
    spool._publish(job, SPEC)
    age(job.path)
    assert main(["--older-than", "1"]) == 0
    assert not job.exists()


def test_a_full_disk_can_be_cleaned(jobs: Jobs, small_disk: Path) -> None:
    """That is what cleaning is for."""
    finished(jobs, 3)
    fill(small_disk)
    assert main(["--older-than", "1"]) == 0
    assert names_in(small_disk) == {".spool.json", "filler"}


def test_a_read_only_disk_is_named(jobs: Jobs, small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each job that stays, and another exit code."""
    finished(jobs, 2)
    remount = ["mount", "-o", "remount,{}", str(small_disk)]
    subprocess.run([word.format("ro") for word in remount], check=True)
    try:
        assert main(["--older-than", "1"]) == 1
        said = capsys.readouterr()
        assert jobs.connector.get(BatchJobMetadata("old-0")).phase == Phase.SUCCEEDED
    finally:
        subprocess.run([word.format("rw") for word in remount], check=True)
    assert said.out == "removed 0 jobs\n"
    assert sorted(said.err.splitlines()) == [f"error: can't remove old-{n}: Read-only file system" for n in range(2)]


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "x"])
def test_days_that_make_no_sense_are_refused(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is removed."""
    with pytest.raises(SystemExit, match="2"):
        main([f"--older-than={days}"])
    assert "--older-than" in capsys.readouterr().err
