"""What goes wrong on Slurm is shown as a clear phase, or a refusal, in one line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import wait_for
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InvalidRequestError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from slurm_jobs import SlurmJobs, shared_folder, use

from flyte_connectors_batch_job import BatchJobMetadata

if TYPE_CHECKING:
    from pathlib import Path

    from slurm_cluster import SlurmCluster
    from slurm_ssh import SshServer

pytestmark = pytest.mark.timeout(120)

SMALL = {"memory": "50Mi"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"queue": "nope"}, "custom.queue: Slurm refuses it: "),
        ({"array": 100_000_000}, "custom.array: Slurm refuses it: "),
        ({"gpu": 2}, "custom.gpu: Slurm refuses it: "),
        ({"image": "python:3.13"}, "custom.image: the back end 'slurm' does not support it"),
        ({"working_directory": "here"}, "custom.working_directory: 'here' must be the absolute"),
    ],
)
def test_a_bad_request_is_refused_by_name(jobs: SlurmJobs, fields: dict[str, Any], message: str) -> None:
    """And nothing is submitted."""
    with pytest.raises(InvalidRequestError) as caught:
        jobs.start("true", key="bad", **{**SMALL, **fields})
    assert caught.value.message.startswith(message)
    assert jobs.listed("bad") == []


def test_what_no_node_has_fails(jobs: SlurmJobs) -> None:
    """Slurm accepts it held, and finds out when it is released."""
    resource = jobs.run("true", key="huge", memory="9Ti")
    assert resource.phase == Phase.FAILED
    assert resource.message == "no node has the cpu, memory, gpu or nodes that the job asks for (BadConstraints)"
    wait_for(lambda: jobs.listed("huge") == ["CANCELLED"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cpu": 64}, "asks for more than its partition has (PartitionConfig)"),
        (
            {"queue": "short", "timeout_seconds": 7200},
            "asks for more time than its partition allows",
        ),
    ],
)
def test_what_a_partition_lacks_is_waited_for(jobs: SlurmJobs, fields: dict[str, Any], message: str) -> None:
    """With the reason."""
    meta = jobs.start("true", key="waits", **{**SMALL, **fields})
    resource = wait_for(lambda: _of_phase(jobs, meta, Phase.WAITING_FOR_RESOURCES))
    assert resource.message.startswith(message)
    jobs.connector.delete(meta)
    assert jobs.end(meta).phase == Phase.ABORTED


def test_held_requeued_and_cancelled_by_the_administrator(jobs: SlurmJobs) -> None:
    """Each is said; what was cancelled fails."""
    meta = jobs.start("sleep 60", key="moved", **SMALL)
    run = jobs.cluster.checked
    wait_for(lambda: _of_phase(jobs, meta, Phase.RUNNING))
    run("scontrol", "requeue", meta.handle)
    resource = wait_for(lambda: _of_phase(jobs, meta, Phase.QUEUED))
    assert "requeued" in resource.message
    run("scontrol", "hold", meta.handle)
    resource = wait_for(lambda: _with(jobs, meta, "held by an administrator"))
    assert resource.phase == Phase.QUEUED
    run("scancel", meta.handle)
    resource = jobs.end(meta)
    assert resource.phase == Phase.FAILED
    assert resource.message == "the job was cancelled in Slurm by an administrator or its user, not by Flyte"


def test_a_drained_node_is_waited_for(jobs: SlurmJobs) -> None:
    """With the reason."""
    node = f"NodeName={jobs.cluster.node}"
    jobs.cluster.checked("scontrol", "update", node, "State=DRAIN", "Reason=test")
    try:
        meta = jobs.start("true", key="drained", **SMALL)
        resource = wait_for(lambda: _of_phase(jobs, meta, Phase.WAITING_FOR_RESOURCES))
        assert "ReqNodeNotAvail" in resource.message or "Nodes required" in resource.message
    finally:
        jobs.cluster.checked("scontrol", "update", node, "State=RESUME")
    assert jobs.end(meta).phase == Phase.SUCCEEDED


def test_a_dead_node_is_worth_another_try(jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Slurm may not start the job again itself."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_REQUEUE", "false")
    meta = jobs.start("sleep 60", key="dead", **SMALL)
    wait_for(lambda: _of_phase(jobs, meta, Phase.RUNNING))
    jobs.cluster.kill_node()
    try:
        node = f"NodeName={jobs.cluster.node}"
        jobs.cluster.checked("scontrol", "update", node, "State=DOWN", "Reason=test")
        resource = jobs.end(meta)
    finally:
        jobs.cluster.start_node()
    assert resource.phase == Phase.RETRYABLE_FAILED
    assert resource.message == f"its node failed: NODE_FAIL ({jobs.cluster.node})"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"script": "sleep 60", "timeout_seconds": 1}, "the job exceeded its time limit of 1 s"),
        ({"working_directory": "/no/such"}, "custom.working_directory: '/no/such' is not on node"),
        ({"modules": ["gcc/13"]}, "custom.modules: "),
        (
            {"script": "ln -s /etc/passwd $BATCH_JOB_OUTPUTS"},
            "$BATCH_JOB_OUTPUTS is a symbolic link",
        ),
        ({"script": "mkfifo $BATCH_JOB_OUTPUTS"}, "$BATCH_JOB_OUTPUTS is a named pipe"),
        ({"script": "true", "outputs": {"n": "INTEGER"}}, "the job ended without its output 'n'"),
        ({"script": "echo no > $BATCH_JOB_OUTPUTS"}, "$BATCH_JOB_OUTPUTS is not valid JSON"),
        ({"script": "truncate -s 10G $BATCH_JOB_OUTPUTS"}, "$BATCH_JOB_OUTPUTS holds more than"),
        ({"script": "kill -9 $$"}, "the job ended with exit code 137"),
        ({"script": "no-such-program"}, "the job ended with exit code 127: "),
    ],
)
def test_a_job_that_fails_says_why(jobs: SlurmJobs, fields: dict[str, Any], message: str) -> None:
    """By its outcome file and its outputs."""
    resource = jobs.run(**{"script": "true", "key": "why", **SMALL, **fields})
    assert resource.phase == Phase.FAILED
    assert resource.message.startswith(message)


def test_a_job_that_makes_room_for_another_is_worth_another_try(jobs: SlurmJobs) -> None:
    """Slurm preempts it for a partition of higher priority."""
    meta = jobs.start("sleep 60", key="spare", queue="spare", cpu="16", **SMALL)
    wait_for(lambda: _of_phase(jobs, meta, Phase.RUNNING))
    other = jobs.start("true", key="urgent", queue="urgent", cpu="16", **SMALL)
    resource = jobs.end(meta)
    assert resource.phase == Phase.RETRYABLE_FAILED
    shown = f"it was preempted by a job of higher priority: PREEMPTED ({jobs.cluster.node})"
    assert resource.message == shown
    assert jobs.end(other).phase == Phase.SUCCEEDED


@pytest.mark.slow
def test_a_job_that_uses_more_memory_than_it_asked_for_fails(
    confined_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the node holds it to that, by control groups."""
    folder = shared_folder(confined_cluster)
    use(monkeypatch, confined_cluster, folder)
    jobs = SlurmJobs(confined_cluster, folder)
    script = "exec python3 -c 'x = bytearray(300_000_000)'"
    resource = jobs.run(script, key="hungry", memory="100Mi")
    assert resource.phase == Phase.FAILED
    assert resource.message == "the job exceeded its memory limit of 100Mi"


@pytest.mark.parametrize("kind", ["missing", "bad", "expired"])
def test_a_token_that_is_no_good_is_named(
    cluster: SlurmCluster,
    jobs: SlurmJobs,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    """With the file that it is in."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", cluster.rest_url)
    token = tmp_path / "token"
    if kind != "missing":
        monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_TOKEN_FILE", str(token))
    good = cluster.token(seconds=1 if kind == "expired" else 60)
    token.write_text(good[:-8] + "AAAAAAAA" if kind == "bad" else good)
    meta = BatchJobMetadata(jobs.key("token"), backend="slurm", handle="1")

    def refused() -> ConnectorError | None:
        try:
            jobs.connector.get(meta)
        except AuthenticationError as error:
            return error
        except ConnectorError:
            return None
        return None

    error = wait_for(refused)
    expected = {
        "missing": "set FLYTE_BATCH_JOB_SLURM_TOKEN_FILE",
        "bad": f"refuses the token in {token}",
        "expired": f"the token in {token} has expired",
    }
    assert expected[kind] in error.message
    assert good not in error.message


@pytest.mark.slow
def test_a_partition_that_is_closed_to_the_user_is_named(
    cluster: SlurmCluster, jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nobody but an administrator can change that."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", cluster.rest_url)
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_TOKEN_FILE", str(tmp_path / "token"))
    (tmp_path / "token").write_text(cluster.token("slurm", seconds=60))
    cluster.checked("scontrol", "update", "PartitionName=short", "AllowGroups=root")
    try:
        with pytest.raises(PermissionDeniedError, match="Slurm does not allow it"):
            jobs.start("true", key="closed", queue="short", **SMALL)
    finally:
        cluster.checked("scontrol", "update", "PartitionName=short", "AllowGroups=ALL")


def test_what_cannot_be_reached_is_named(jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By each way to Slurm."""
    addresses = {
        "http://127.0.0.1:9": "127.0.0.1:9/openapi/v3 can't be reached",
        f"unix:{tmp_path}/none": "can't be reached",
        "ssh://127.0.0.1:9": "127.0.0.1 (FLYTE_BATCH_JOB_SLURM_ADDRESS) can't be reached over SSH",
        "nowhere": "is not an address of Slurm",
    }
    for address, message in addresses.items():
        monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", address)
        with pytest.raises(ServiceUnavailableError) as caught:
            jobs.start("true", key="away", **SMALL)
        assert message in caught.value.message
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_ADDRESS", "commands")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceUnavailableError, match="can't be run on the service's machine"):
        jobs.start("true", key="away", **SMALL)


def test_a_host_that_is_not_known_gets_no_key(ssh: SshServer, jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be another's."""
    for name, value in ssh.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_SSH_KNOWN_HOSTS", os.devnull)
    with pytest.raises(AuthenticationError, match="can't be reached over SSH"):
        jobs.start("true", key="unknown-host", **SMALL)


def test_a_folder_that_cannot_be_used_is_named(jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its variable."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLURM_FOLDER", "/proc/none")
    with pytest.raises((ServiceUnavailableError, PermissionDeniedError)) as caught:
        jobs.start("true", key="folder", **SMALL)
    assert "/proc/none (FLYTE_BATCH_JOB_SLURM_FOLDER)" in caught.value.message
    monkeypatch.delenv("FLYTE_BATCH_JOB_SLURM_FOLDER")
    with pytest.raises(ServiceUnavailableError, match="set FLYTE_BATCH_JOB_SLURM_FOLDER"):
        jobs.start("true", key="folder", **SMALL)


def _of_phase(jobs: SlurmJobs, meta: BatchJobMetadata, phase: Phase) -> Any:
    resource = jobs.connector.get(meta)
    return resource if resource.phase == phase else None


def _with(jobs: SlurmJobs, meta: BatchJobMetadata, text: str) -> Any:
    resource = jobs.connector.get(meta)
    return resource if text in (resource.message or "") else None
