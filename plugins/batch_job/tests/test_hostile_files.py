"""Whatever a job puts in a file's place: a clear end, in time."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import Phase

if TYPE_CHECKING:
    from batch_jobs import Jobs

CONTROL = 'CONTROL="${BATCH_JOB_OUTPUTS%/*/*}"; '
"""The directory with the supervisor's files, which is not the job's, but its user's."""


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("mkfifo $BATCH_JOB_OUTPUTS", "is a named pipe, not a regular file"),
        ("ln -s /etc/shadow $BATCH_JOB_OUTPUTS", "is a symbolic link, not a regular file"),
        ("ln -s /dev/zero $BATCH_JOB_OUTPUTS", "is a symbolic link, not a regular file"),
        ("ln -s nowhere $BATCH_JOB_OUTPUTS", "is a symbolic link, not a regular file"),
        ("mkdir $BATCH_JOB_OUTPUTS", "is a directory, not a regular file"),
        ("truncate -s 1T $BATCH_JOB_OUTPUTS", "holds more than 1048576 bytes"),
        ('printf \'{"a": "\\377"}\' > $BATCH_JOB_OUTPUTS', "is not valid JSON"),
        ('printf \'{"a": "\\\\ud800"}\' > $BATCH_JOB_OUTPUTS', "is not valid JSON"),
        ("printf '{\"a\": %05000d}' 1 > $BATCH_JOB_OUTPUTS", "is not valid JSON"),
        (": > $BATCH_JOB_OUTPUTS", "is not valid JSON"),
        (
            (
                'F="${BATCH_JOB_OUTPUTS%/*}"; mkdir "$F.x"; echo "{}" > "$F.x/outputs.json"; mv "$F" "$F.y"; '
                'ln -s "$F.x" "$F"'
            ),
            "ended without its output 'a'",
        ),
    ],
)
def test_outputs_that_are_not_a_file_of_the_job_fail_it(jobs: Jobs, command: str, message: str) -> None:
    """Nothing blocks on them, and nothing else is read in their place."""
    started = time.monotonic()
    resource = jobs.run(command, outputs={"a": "STRING", "b": "STRING"})
    assert resource.phase == Phase.FAILED
    assert message in (resource.message or "")
    assert time.monotonic() - started < 10


def test_a_socket_is_not_an_output(jobs: Jobs, tmp_path: Path) -> None:
    """It can't even be opened."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        resource = jobs.run(f"mv {tmp_path}/s $BATCH_JOB_OUTPUTS", outputs={"a": "STRING"})
    assert resource.message == "$BATCH_JOB_OUTPUTS is a socket, not a regular file"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give a file away")
def test_a_file_of_another_user_is_not_an_output(jobs: Jobs) -> None:
    """Only what is the job's own counts."""
    resource = jobs.run(
        'echo \'{"a": "x"}\' > $BATCH_JOB_OUTPUTS; chown nobody $BATCH_JOB_OUTPUTS',
        outputs={"a": "STRING"},
    )
    assert resource.message == "$BATCH_JOB_OUTPUTS belongs to another user"


FORGED = {
    "outcome": 'echo \'{"state": "succeeded", "outputs": {}}\' > $CONTROL/outcome.json',
    "no outcome": "echo nothing > $CONTROL/outcome.json",
    "outcome pipe": "mkfifo $CONTROL/outcome.json",
    "outcome directory": "mkdir -p $CONTROL/outcome.json/full",
    "begun": "echo '{}' > $CONTROL/begun.json",
    # It may have been written again before.
    "begun pipe": "rm $CONTROL/begun.json; mkfifo $CONTROL/begun.json 2> /dev/null",
    "no begun": "rm $CONTROL/begun.json",
    "running": "echo '[1]' > $CONTROL/running.json",
    "running directory": "rm $CONTROL/running.json; mkdir -p $CONTROL/running.json/full",
    "no lock": "rm $CONTROL/supervisor.lock",
    "lock directory": "rm $CONTROL/supervisor.lock; mkdir $CONTROL/supervisor.lock",
    "lock pipe": "rm $CONTROL/supervisor.lock; mkfifo $CONTROL/supervisor.lock",
    "no spec": "rm $CONTROL/spec.json",
    "spec": "echo '{' > $CONTROL/spec.json",
    "log": "echo garbage >> $CONTROL/log; head -c 300000 /dev/zero >> $CONTROL/log",
    "log pipe": "rm -f $CONTROL/log; mkfifo $CONTROL/log",
    "usage": 'echo \'{"at": "x"}\' > $CONTROL/usage.json',
    "usage pipe": "rm -f $CONTROL/usage.json; mkfifo $CONTROL/usage.json",
    "closed": "chmod 0 $CONTROL",
}
"""What a job does to the supervisor's files."""


@pytest.mark.parametrize("forged", FORGED)
def test_a_job_that_writes_the_supervisors_files_changes_nothing(jobs: Jobs, forged: str) -> None:
    """It runs until it ends, and the supervisor's outcome is what counts; each verb answers."""
    script = f"{CONTROL}{FORGED[forged]}; echo forged; sleep 0.7; exit 4"
    meta = jobs.start(script)
    wait_for(lambda: forged in ("log", "log pipe", "closed") or jobs.logs(meta)[0])
    time.sleep(0.3)
    assert jobs.connector.get(meta).phase == Phase.RUNNING
    assert jobs.start(script) == meta
    jobs.connector.get_metrics(meta)
    resource = jobs.end(meta)
    assert (resource.phase, resource.message) == (Phase.FAILED, "the job ended with exit code 4")
    jobs.logs(meta)
    jobs.connector.get_metrics(meta)
    jobs.connector.delete(meta)
    assert jobs.connector.get(meta) == resource


def test_lines_that_a_job_wrote_to_its_log_are_shown_as_they_are(jobs: Jobs) -> None:
    """And the pages go on behind them, however long they are."""
    meta = jobs.start(
        f"{CONTROL}echo one; sleep 0.3; echo garbage >> $CONTROL/log; "
        "head -c 300000 /dev/zero | tr '\\0' x >> $CONTROL/log; echo >> $CONTROL/log; echo two"
    )
    jobs.end(meta)
    one, garbage, long, two = jobs.all_logs(meta)
    assert (one, garbage, set(long), two) == ("one", "garbage", {"x"}, "two")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"state": "odd"},
        {"state": []},
        {"state": "succeeded", "outputs": 3},
        {"state": "failed", "message": {}},
    ],
)
def test_a_damaged_outcome_fails_the_job(jobs: Jobs, content: object) -> None:
    """After its end the record can't be corrected."""
    meta = jobs.start("true")
    jobs.end(meta)
    Path(jobs.job(meta).file("outcome.json")).write_text(json.dumps(content))
    resource = jobs.connector.get(meta)
    assert resource.phase == Phase.FAILED
    assert "outcome.json" in (resource.message or "")
