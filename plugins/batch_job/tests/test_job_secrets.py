"""Secrets of jobs: variables by name, in no file, masked in the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from batch_jobs import Jobs

SECRET = "correct-horse/battery+staple"
SHOWS = 'echo "got $PASSWORD"; echo "$PASSWORD" >&2; exit 3'


def test_a_secret_is_a_variable_of_the_job_and_in_no_file(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log and its message show a mask."""
    monkeypatch.setenv("FLYTE_SECRET_DB_PASSWORD", SECRET)
    monkeypatch.setenv("FLYTE_SECRET_OTHER", "of-another-task")
    script = f"{SHOWS.replace('; exit 3', '')}; env | grep -c -e OTHER -e FLYTE_SECRET; exit 3"
    meta = jobs.start(script, secrets={"PASSWORD": "db-password"})
    resource = jobs.end(meta)
    assert resource.phase is Phase.FAILED
    assert sorted(jobs.all_logs(meta)) == ["0", "[stderr] ***", "got ***"]
    assert SECRET not in (resource.message or "")
    holding = [
        path for path in Path(jobs.spool.root).rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    assert holding == []


def test_a_job_that_waits_gets_its_secret_when_it_starts(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the keeper of the job before, which may be the only process that is left."""
    monkeypatch.setenv("FLYTE_SECRET_DB_PASSWORD", SECRET)
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "1")
    first = jobs.start("sleep 0.5", key="first")
    second = jobs.start(
        'echo "${#PASSWORD}"', key="second", secrets={"PASSWORD": "db-password"},
        outputs={"size": "STRING"},
    )  # fmt: skip
    monkeypatch.delenv("FLYTE_SECRET_DB_PASSWORD")
    jobs.end(first)
    assert jobs.end(second).outputs == {"size": str(len(SECRET))}


def test_a_mounted_file_is_a_secret_too(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As for any connector."""
    (tmp_path / "token").write_text(f"{SECRET}\n")
    monkeypatch.setenv("FLYTE_CONNECTORS_SECRETS_DIR", str(tmp_path))
    resource = jobs.run('echo "${#TOKEN}"', secrets={"TOKEN": "token"}, outputs={"size": "STRING"})
    assert resource.outputs == {"size": str(len(SECRET))}


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        (
            {"PASSWORD": "absent"},
            r"custom\.secrets\.PASSWORD: secret 'absent' is not mounted for jobs",
        ),
        ({"A B": "x"}, r"custom\.secrets\.A B: must be the name of a variable"),
    ],
)
def test_a_secret_that_no_job_could_get(jobs: Jobs, secrets: dict[str, str], message: str) -> None:
    """Before a job is there."""
    with pytest.raises(InvalidRequestError, match=message):
        jobs.start("true", secrets=secrets)
    assert not jobs.spool.job("a-job").exists()


def test_secrets_that_are_too_large_for_jobs_hold_up_no_job(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service may have many, for other connectors."""
    monkeypatch.setenv("FLYTE_SECRET_CERTIFICATES", "x" * 70_000)
    assert jobs.run("echo well", outputs={"text": "STRING"}).outputs == {"text": "well"}
    with pytest.raises(InvalidRequestError, match="secret 'certificates' is not mounted for jobs"):
        jobs.start("true", key="b", secrets={"C": "certificates"})
