"""What the API server says of a job's Job and pods, and what state that is.

The objects in `recorded.json` are what a real API server, job controller and scheduler made of real jobs.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors.connector import Phase

from flyte_connectors_batch_job.backends.kubernetes import records
from flyte_connectors_batch_job.backends.kubernetes.records import PodRecord, Request
from flyte_connectors_batch_job.backends.kubernetes.states import pull_failure, state_of

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())

Recorded = tuple[records.JobRecord, list[PodRecord]]


def recorded(name: str) -> Recorded:
    case = RECORDED[name]
    return records.job_record(case["job"]), [records.pod_record(pod) for pod in case["pods"]]


@pytest.mark.parametrize(
    ("name", "phase", "message"),
    [
        ("succeeded", Phase.SUCCEEDED, None),
        ("failed", Phase.FAILED, "the job ended with exit code 3: why"),
        ("retryable", Phase.RETRYABLE_FAILED, "the job ended with exit code 4: why"),
        (
            "not-found",
            Phase.FAILED,
            'the job can\'t be started: exec: "nosuch": executable file not found in $PATH',
        ),
        ("deadline", Phase.FAILED, "the job exceeded its time limit of 2 s"),
        ("too-large", Phase.FAILED, "the job exceeded its memory limit of 100Mi"),
        (
            "unschedulable",
            Phase.WAITING_FOR_RESOURCES,
            "waiting for a node: 0/1 nodes are available: 1 Insufficient memory.",
        ),
        (
            "no-image",
            Phase.INITIALIZING,
            'ImagePullBackOff: failed to resolve "missing.example/x:1": no such host',
        ),
        ("running", Phase.RUNNING, None),
        ("cancelled", Phase.ABORTED, None),
        (
            "evicted",
            Phase.RETRYABLE_FAILED,
            "the cluster ended the job: Evicted The node was low on resource: memory.",
        ),
        ("array", Phase.SUCCEEDED, None),
        ("array-failed", Phase.FAILED, "index 1: the job ended with exit code 5: bad"),
        ("no-pod", Phase.QUEUED, "waiting for its pod"),
    ],
)
def test_what_a_cluster_has_said_is_a_state(name: str, phase: Phase, message: str | None) -> None:
    """Each with its reason, in one line."""
    state = state_of(*recorded(name))
    assert (state.phase, state.message) == (phase, message)


def test_outputs_come_from_termination_messages() -> None:
    """As JSON, as the last line of stdout, and of an array as lists in the order of the indexes."""
    assert state_of(*recorded("succeeded")).outputs == {"n": 3}
    assert state_of(*recorded("last-line")).outputs == {"n": "7"}
    assert state_of(*recorded("array")).outputs == {"n": [0, 1, 2]}


def test_a_pod_that_is_gone_is_no_success() -> None:
    """Nor are its outputs guessed; only a job without outputs may have succeeded without a trace."""
    job, _ = recorded("succeeded")
    assert state_of(job, []).phase == Phase.RETRYABLE_FAILED
    assert job.request
    silent = dataclasses.replace(job, request=dataclasses.replace(job.request, outputs=()))
    assert state_of(silent, []).phase == Phase.SUCCEEDED
    failed, _ = recorded("failed")
    assert state_of(failed, []).phase == Phase.RETRYABLE_FAILED
    array, pods = recorded("array")
    state = state_of(array, pods[1:])
    assert state.phase == Phase.RETRYABLE_FAILED
    assert "the outputs of index" in str(state.message)


def test_a_job_that_is_cancelled_runs_until_its_pods_have_ended() -> None:
    """Then it is aborted, whatever its pods say; a job that was faster has succeeded."""
    job, pods = recorded("running")
    cancelled = dataclasses.replace(job, why=records.CANCELLED)
    assert state_of(cancelled, pods) == (Phase.RUNNING, "being cancelled", None, None)
    done, pods = recorded("succeeded")
    assert state_of(dataclasses.replace(done, why="cancelled"), pods).phase == Phase.SUCCEEDED


def test_why_a_cluster_creates_no_pod_is_said() -> None:
    """A used-up quota is something to wait for."""
    job, pods = recorded("no-pod")
    state = state_of(job, pods, "exceeded quota: q")
    assert state.phase == Phase.WAITING_FOR_RESOURCES
    assert state.message == "no pod can be created: exceeded quota: q"


def test_a_suspended_job_waits_in_its_queue() -> None:
    """Kueue holds it there."""
    job = records.JobRecord("a", "u", Request(queue="batch"), is_suspended=True)
    assert state_of(job, [])[:2] == (Phase.QUEUED, "waiting in queue 'batch'")


FAILED = records.JobRecord("a", "u", Request(timeout_seconds=60), ended="Failed")


@pytest.mark.parametrize(
    ("pod", "phase", "message"),
    [
        ({"disrupted": "EvictionByEvictionAPI"}, Phase.RETRYABLE_FAILED, "EvictionByEvictionAPI"),
        ({"disrupted": "PreemptionByScheduler"}, Phase.RETRYABLE_FAILED, "PreemptionByScheduler"),
        ({"reason": "Preempting"}, Phase.RETRYABLE_FAILED, "Preempting"),
        ({"reason": "NodeLost"}, Phase.RETRYABLE_FAILED, "NodeLost"),
        ({"reason": "Terminated"}, Phase.RETRYABLE_FAILED, "Terminated"),
        ({"reason": "OutOfcpu"}, Phase.RETRYABLE_FAILED, "OutOfcpu"),
        ({"reason": "Whatever"}, Phase.RETRYABLE_FAILED, "Whatever"),
        ({}, Phase.RETRYABLE_FAILED, "the node does not say why"),
        (
            {"container_reason": "OOMKilled", "exit_code": 137},
            Phase.FAILED,
            "the memory of its node",
        ),
        (
            {"reason": "DeadlineExceeded", "waiting": "ErrImagePull", "waiting_message": "no host"},
            Phase.FAILED,
            "did not start within its time limit of 60 s: ErrImagePull: no host",
        ),
        ({"exit_code": 3, "text": '{"n": 1}'}, Phase.FAILED, "the job ended with exit code 3"),
    ],
)
def test_every_end_of_a_pod_has_a_phase(pod: dict[str, Any], phase: Phase, message: str) -> None:
    """What the cluster does to a job may be tried again; what the job does itself may not."""
    state = state_of(FAILED, [PodRecord("p", "u", "a", phase="Failed", **pod)])
    assert state.phase == phase
    assert message in str(state.message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the job ended without its output 'n'"),
        ("[1]", "holds a JSON list"),
        ("{", "is not valid JSON"),
        ('{"n": 1, "m": 2}', "undeclared output 'm'"),
        ('{"n": "' + "x" * 4089, "larger than 4096 bytes"),
    ],
)
def test_wrong_outputs_fail_the_job(text: str, message: str) -> None:
    """With what is wrong about them."""
    job = records.JobRecord("a", "u", Request(outputs=("n",)), ended="Complete")
    pod = PodRecord("p", "u", "a", phase="Succeeded", exit_code=0, text=text)
    state = state_of(job, [pod])
    assert state.phase == Phase.FAILED
    assert message in str(state.message)


def test_an_array_on_a_cluster_without_arrays_fails() -> None:
    """Old job controllers run the pods, and tell none its index."""
    job = records.JobRecord("a", "u", Request(outputs=("n",), array=2), ended="Complete")
    pods = [PodRecord(n, n, "a", phase="Succeeded", exit_code=0, text='{"n": 1}') for n in "pq"]
    assert state_of(job, pods)[:2] == (
        Phase.FAILED,
        "this cluster has no arrays: they need Kubernetes 1.24",
    )


def test_why_an_image_cannot_be_pulled_is_known() -> None:
    """Since when, too; some reasons never change."""
    _, pods = recorded("no-image")
    failure = pull_failure(pods)
    assert failure
    assert failure[0] == pods[0].created
    assert "the image 'missing.example/x:1' can't be pulled: ImagePullBackOff" in failure[1]
    hopeless = pull_failure([dataclasses.replace(pods[0], waiting="InvalidImageName")])
    assert hopeless
    assert hopeless[0] == 0
    assert "can't be pulled: InvalidImageName: failed to resolve" in hopeless[1]
    assert pull_failure(recorded("running")[1]) is None


WRAPPED = Request(outputs=("f",), has_outcome=True, retry_exit_codes=(7,), timeout_seconds=5)


@pytest.mark.parametrize(
    ("text", "pod", "phase", "message"),
    [
        ('{"state": "succeeded", "outputs": {"f": "s3://b/f"}}', {}, Phase.SUCCEEDED, None),
        (
            '{"state": "failed", "message": "no such object"}',
            {"exit_code": 125},
            Phase.FAILED,
            "no such",
        ),
        ('{"state": "lost", "message": "why"}', {"exit_code": 7}, Phase.RETRYABLE_FAILED, "why"),
        ("", {}, Phase.FAILED, "the outcome of the job is larger than 4096 bytes, or"),
        ("[]", {"exit_code": 3}, Phase.FAILED, "exit code 3"),
        (
            '{"state": "lost", "message": "the engine ended the job"}',
            {"exit_code": 143, "reason": "DeadlineExceeded", "begun": 1},
            Phase.FAILED,
            "time limit of 5 s",
        ),
        ("", {"exit_code": 137, "container_reason": "OOMKilled"}, Phase.FAILED, "memory"),
    ],
)
def test_the_wrapper_of_a_job_with_files_says_how_it_ended(
    text: str, pod: dict[str, Any], phase: Phase, message: str | None
) -> None:
    """Unless the cluster has ended it, which knows the limit."""
    failed = bool(pod)
    job = records.JobRecord("a", "u", WRAPPED, ended="Failed" if failed else "Complete")
    ended = {"phase": "Failed" if failed else "Succeeded", "exit_code": 0, "text": text} | pod
    state = state_of(job, [PodRecord("p", "u", "a", **ended)])
    assert state.phase == phase
    assert (message or "") in (state.message or "")
    assert state.outputs == ({"f": "s3://b/f"} if message is None else None)
