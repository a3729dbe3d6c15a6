"""Jobs on a real Slurm, by each way to it: commands, commands over SSH, slurmrestd over TCP and its socket."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError, JobNotFoundError
from flyte_connectors.secrets import redact

from flyte_connectors_batch_job import BatchJobMetadata

if TYPE_CHECKING:
    from slurm_jobs import SlurmJobs

SMALL = {"memory": "50Mi"}


def test_a_job_has_its_inputs_and_leaves_outputs_and_a_log(anyway: SlurmJobs) -> None:
    """Quotes, dollars and line breaks in values stay what they are."""
    text = 'it\'s "quoted" $HOME\nand more'
    script = """
        echo "$ODD" && echo oops >&2
        printf '{"text": %s}' "$(sed 's/.*"text": \\(.*\\)}/\\1/' "$BATCH_JOB_INPUTS")" > "$BATCH_JOB_OUTPUTS"
        [ "$BATCH_JOB_INPUT_TEXT" = "$SAME" ]
    """
    meta = anyway.start(
        script,
        key="whole",
        inputs={"text": text},
        outputs={"text": "STRING"},
        env={"ODD": "a b  'c'", "SAME": text},
        **SMALL,
    )
    resource = anyway.end(meta)
    assert (resource.phase, resource.outputs) == (Phase.SUCCEEDED, {"text": text})
    assert sorted(anyway.all_logs(meta)) == ["[stderr] oops", "a b  'c'"]
    assert anyway.released("whole") == [meta.handle]


def test_a_failure_says_why(anyway: SlurmJobs) -> None:
    """By exit code and last line of stderr; some codes may be tried again."""
    resource = anyway.run("echo why >&2; exit 3", key="fails", **SMALL)
    assert (resource.phase, resource.message) == (
        Phase.FAILED,
        "the job ended with exit code 3: why",
    )
    resource = anyway.run("exit 75", key="again", retry_exit_codes=[75], **SMALL)
    assert resource.phase == Phase.RETRYABLE_FAILED


def test_a_job_is_cancelled(anyway: SlurmJobs) -> None:
    """And what has ended can be cancelled; what is unknown is reported."""
    meta = anyway.start("sleep 60", key="stops", **SMALL)
    wait_for(lambda: anyway.connector.get(meta).phase == Phase.RUNNING)
    anyway.connector.delete(meta)
    assert anyway.end(meta).phase == Phase.ABORTED
    anyway.connector.delete(meta)
    assert anyway.connector.get(meta).phase == Phase.ABORTED
    with pytest.raises(JobNotFoundError):
        anyway.connector.delete(BatchJobMetadata("unknown", backend="slurm", handle="999999"))


def test_an_array_has_outputs_and_logs_by_index(anyway: SlurmJobs) -> None:
    """In order."""
    script = """
        echo "line of $BATCH_JOB_INDEX of $BATCH_JOB_ARRAY"
        echo "{\\"square\\": $((BATCH_JOB_INDEX * BATCH_JOB_INDEX))}" > "$BATCH_JOB_OUTPUTS"
    """
    meta = anyway.start(script, key="array", array=5, outputs={"square": "INTEGER"}, **SMALL)
    resource = anyway.end(meta)
    assert (resource.phase, resource.outputs) == (Phase.SUCCEEDED, {"square": [0, 1, 4, 9, 16]})
    assert resource.custom_info == {"indexes": {"SUCCEEDED": "0-4"}}
    assert anyway.all_logs(meta) == [f"[{i}] line of {i} of 5" for i in range(5)]


def test_the_name_of_slurms_user_is_no_secret(anyway: SlurmJobs) -> None:
    """Masked, it would vanish from each log line and path that has it."""
    anyway.run("true", key="named", **SMALL)
    assert redact("/home/root/jobs") == "/home/root/jobs"


def test_commands_are_not_logged_one_by_one(anyway: SlurmJobs, caplog: pytest.LogCaptureFixture) -> None:
    """By the library that sends them, which would fill the service's log."""
    with caplog.at_level(logging.INFO):
        anyway.run("true", key="quiet", **SMALL)
    assert [record.message for record in caplog.records if record.name.startswith("asyncssh")] == []


def test_a_replay_finds_the_job(anyway: SlurmJobs) -> None:
    """Before and after its end."""
    first = anyway.start("echo once", key="replay", **SMALL)
    assert anyway.start("echo once", key="replay", **SMALL) == first
    anyway.end(first)
    assert anyway.start("echo once", key="replay", **SMALL) == first
    assert anyway.listed("replay") == ["COMPLETED"]


def test_an_unknown_partition_is_refused(anyway: SlurmJobs) -> None:
    """By name, and nothing is submitted."""
    with pytest.raises(InvalidRequestError, match=r"custom\.queue: .*Invalid partition name"):
        anyway.start("true", key="lost", queue="nope", **SMALL)
    assert anyway.listed("lost") == []


def test_resources_are_those_of_the_task(anyway: SlurmJobs) -> None:
    """As Slurm has them."""
    script = 'scontrol show job "$SLURM_JOB_ID" --oneliner'
    meta = anyway.start(
        script, key="sized", cpu="1500m", memory="70Mi", queue="short", timeout_seconds=61,
        env={"SLURM_CONF": str(anyway.cluster.root / "slurm.conf")},
    )  # fmt: skip
    assert anyway.end(meta).phase == Phase.SUCCEEDED, anyway.all_logs(meta)
    [shown] = anyway.all_logs(meta)
    for part in ("Partition=short", "CPUs/Task=2", "MinMemoryNode=70M", "TimeLimit=00:03:00"):
        assert part in shown
