"""How jobs end, and what is reported to Flyte."""

from __future__ import annotations

import pytest
from batch_jobs import Jobs, is_running, wait_until_alone
from flyte_connectors.connector import Phase


def test_a_job_without_a_command_answers_with_its_id(jobs: Jobs) -> None:
    """The default job is a real process that prints `output-from-<job id>`."""
    resource = jobs.run(key="job-1", outputs={"result": "STRING"})
    assert resource.phase == Phase.SUCCEEDED
    assert resource.outputs == {"result": "output-from-job-1"}


def test_exit_code_zero_succeeds(jobs: Jobs) -> None:
    """A job without declared outputs only has to end well."""
    resource = jobs.run("true")
    assert (resource.phase, resource.outputs) == (Phase.SUCCEEDED, {})


def test_another_exit_code_fails_with_the_last_line_of_stderr(jobs: Jobs) -> None:
    """The message says what the job said last."""
    resource = jobs.run("echo first >&2; echo 'no such table' >&2; echo >&2; exit 3")
    assert resource.phase == Phase.FAILED
    assert resource.message == "the job ended with exit code 3: no such table"


def test_a_signal_is_named(jobs: Jobs) -> None:
    """A killed job is distinguished from one that exits."""
    resource = jobs.run("kill -SEGV $$")
    assert resource.phase == Phase.FAILED
    assert resource.message == "the job was killed by signal 11 (SIGSEGV)"


def test_an_unknown_program_fails_with_its_name(jobs: Jobs) -> None:
    """What can't be started is a failure of the job, with the reason."""
    resource = jobs.run(command=["no-such-program", "x"])
    assert resource.phase == Phase.FAILED
    assert resource.message == "can't start no-such-program: No such file or directory"


def test_the_time_limit_ends_a_job(jobs: Jobs) -> None:
    """A job over its time is terminated and says so, though it would exit with 0."""
    meta = jobs.start("trap 'exit 0' TERM; sleep 60 & wait", timeout_seconds=0.3)
    resource = jobs.end(meta)
    assert resource.phase == Phase.FAILED
    assert resource.message == "exceeded its time limit of 0.3 s"
    assert "time limit reached: sending SIGTERM" in jobs.all_logs(meta)


def test_a_terminal_state_is_stable(jobs: Jobs) -> None:
    """Neither looking again nor a late delete changes how a job ended."""
    meta = jobs.start("exit 1")
    first = jobs.end(meta)
    jobs.connector.delete(meta)
    assert jobs.connector.get(meta) == first


def test_the_job_ends_with_its_first_process(jobs: Jobs) -> None:
    """Processes left in the background are killed, and what they hold open delays nothing."""
    meta = jobs.start('sleep 60 & echo $! > "$BATCH_JOB_OUTPUTS.pid"; echo done')
    assert jobs.end(meta).phase == Phase.SUCCEEDED
    assert not is_running(jobs.process_id(meta, "pid"))
    assert jobs.all_logs(meta) == ["done"]


def test_a_daemon_ends_with_the_job(jobs: Jobs) -> None:
    """Even a process that keeps stdout open in a session of its own neither delays the end nor stays."""
    meta = jobs.start("setsid sh -c 'echo $$ > \"$BATCH_JOB_OUTPUTS.pid\"; exec sleep 60' & sleep 0.2")
    assert jobs.end(meta).phase == Phase.SUCCEEDED
    assert not is_running(jobs.process_id(meta, "pid"))


@pytest.mark.parametrize("script", ["exit 0", "exit 7", "kill -KILL $$"])
def test_nothing_is_left_running(jobs: Jobs, script: str) -> None:
    """Supervisor and keeper end with the job, however it ends."""
    meta = jobs.start(script)
    jobs.end(meta)
    wait_until_alone(jobs.job(meta))
