"""The state of a job by its Job and its pods.

A Job is over when its condition Complete or Failed says so; its pods say why, and hold its outputs. A pod that is
gone is never taken for one that has succeeded.

Reference: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import Phase
from flyte_connectors.secrets import redact

from flyte_connectors_batch_job.backends.interface import JobState
from flyte_connectors_batch_job.backends.kubernetes.manifest import LINE_PREFIX, MOST_OUTPUT_BYTES
from flyte_connectors_batch_job.backends.kubernetes.records import CANCELLED, Request
from flyte_connectors_batch_job.backends.local import outputs as files
from flyte_connectors_batch_job.wrapper.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyte_connectors_batch_job.backends.kubernetes.records import JobRecord, PodRecord

BEING_CANCELLED = "being cancelled"

BAD_PULLS = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable")
HOPELESS = ("InvalidImageName", "ErrImageNeverPull")
"""Of an image, reasons that no waiting changes."""

_DISRUPTIONS = (
    "Evicted",
    "Preempting",
    "Preempted",
    "NodeLost",
    "NodeShutdown",
    "NodeAffinity",
    "Shutdown",
    "Terminated",
    "UnexpectedAdmissionError",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfpods",
)
"""Reasons of a pod that failed by no fault of its job: the kubelet's and the controllers'."""

_GONE = "its pod is gone, deleted or lost with its node"


def state_of(job: JobRecord, pods: Sequence[PodRecord], refused: str = "") -> JobState:
    """How a job is.

    Args:
        job: Its Job.
        pods: The Job's pods, all that there are.
        refused: Why the cluster creates no pod, if it says so.
    """
    request = job.request or Request()
    if job.ended == "Complete":
        return _succeeded(request, pods)
    if job.ended == "Failed":
        return _failed(job, request, pods)
    if job.why:
        return JobState(Phase.RUNNING, BEING_CANCELLED if job.why == CANCELLED else job.why)
    if not pods:
        return _without_pods(job, request, refused)
    if request.array is not None:
        return _array_under_way(request.array, pods)
    return _under_way(_latest(pods))


def pull_failure(pods: Sequence[PodRecord]) -> tuple[float, str] | None:
    """When the pod of an image that can't be pulled was created, and why it can't; 0 if it never will be."""
    for pod in pods:
        if pod.waiting in (*BAD_PULLS, *HOPELESS):
            created = 0.0 if pod.waiting in HOPELESS else pod.created
            return created, f"the image '{pod.image}' can't be pulled: {_waiting(pod)}"
    return None


def _under_way(pod: PodRecord) -> JobState:
    if pod.phase == "Pending" and pod.unscheduled:
        return JobState(Phase.WAITING_FOR_RESOURCES, f"waiting for a node: {pod.unscheduled}")
    if pod.phase == "Pending":
        bad = pod.waiting and pod.waiting not in ("ContainerCreating", "PodInitializing")
        return JobState(Phase.INITIALIZING, _waiting(pod) if bad else "its container is being made")
    if pod.phase == "Unknown":
        return JobState(Phase.RUNNING, "its node does not answer")
    return JobState(Phase.RUNNING)


def _waiting(pod: PodRecord) -> str:
    return f"{pod.waiting}: {pod.waiting_message}" if pod.waiting_message else pod.waiting


def _array_under_way(size: int, pods: Sequence[PodRecord]) -> JobState:
    ended = sum(pod.has_ended for pod in pods)
    started = [pod for pod in pods if pod.phase != "Pending"]
    if not started:
        return _under_way(pods[0])
    return JobState(Phase.RUNNING, f"{ended} of {size} have ended", details=_details(pods))


def _details(pods: Sequence[PodRecord]) -> dict[str, Any]:
    """How many pods of an array there are by phase, and which have failed."""
    phases = Counter(pod.phase for pod in pods)
    failed = sorted({pod.index for pod in pods if pod.phase == "Failed" and pod.index is not None})
    return {"pods": dict(phases), "failed_indexes": failed}


def _without_pods(job: JobRecord, request: Request, refused: str) -> JobState:
    if job.is_suspended:
        queue = f"in queue '{request.queue}'" if request.queue else "suspended"
        return JobState(Phase.QUEUED, f"waiting {queue}")
    if refused:
        return JobState(Phase.WAITING_FOR_RESOURCES, f"no pod can be created: {refused}")
    return JobState(Phase.QUEUED, "waiting for its pod")


def _succeeded(request: Request, pods: Sequence[PodRecord]) -> JobState:
    if not request.outputs:
        return JobState(Phase.SUCCEEDED, outputs={})
    done = [pod for pod in pods if pod.phase == "Succeeded" and pod.exit_code == 0]
    try:
        if request.array is None:
            if not done:
                return JobState(Phase.RETRYABLE_FAILED, f"its outputs are lost: {_GONE}")
            return JobState(Phase.SUCCEEDED, outputs=_outputs(_latest(done), request))
        return _array_outputs(request, request.array, {pod.index: pod for pod in done})
    except files.OutputsError as error:
        return JobState(Phase.FAILED, str(error))


def _array_outputs(request: Request, size: int, done: dict[int | None, PodRecord]) -> JobState:
    if None in done:
        return JobState(Phase.FAILED, "this cluster has no arrays: they need Kubernetes 1.24")
    missing = [index for index in range(size) if index not in done]
    if missing:
        message = f"the outputs of index {missing[0]} are lost: {_GONE}"
        return JobState(Phase.RETRYABLE_FAILED, message)
    every = []
    for index in range(size):
        try:
            every.append(_outputs(done[index], request))
        except files.OutputsError as error:
            message = f"index {index}: {error}"
            raise files.OutputsError(message) from error
    columns = {name: [outputs[name] for outputs in every] for name in request.outputs}
    return JobState(Phase.SUCCEEDED, outputs=columns)


def _outputs(pod: PodRecord, request: Request) -> dict[str, Any]:
    """The outputs in a termination message.

    Raises:
        OutputsError: they are missing or wrong.
    """
    text, line = pod.text, ""
    if request.has_outcome:
        state = _outcome(pod)
        if state is None or state.outputs is None:
            reason = "is larger than 4096 bytes, or was not written" if state is None else state.message
            message = f"the outcome of the job {reason}"
            raise files.OutputsError(message)
        return dict(state.outputs)
    if text.startswith(LINE_PREFIX):
        text, line = "", text[len(LINE_PREFIX) :].rstrip("\r\n")
    if len(text.encode()) >= MOST_OUTPUT_BYTES and not _is_json(text):
        message = f"$BATCH_JOB_OUTPUTS is larger than {MOST_OUTPUT_BYTES} bytes, the most on Kubernetes"
        raise files.OutputsError(f"{message}: store what is larger, and give its address")
    data = text.encode() if text else None
    return files.check(data, list(request.outputs), request.line_output or None, line)


def measured(pod: PodRecord) -> dict[str, float]:
    """The readings of a pod's wrapper; empty if there are none."""
    outcome = _read_outcome(pod)
    return outcome.usage if outcome else {}


def _outcome(pod: PodRecord) -> JobState | None:
    """What the wrapper says; None if it could not say it."""
    outcome = _read_outcome(pod)
    return outcome.state if outcome else None


def _read_outcome(pod: PodRecord) -> Outcome | None:
    try:
        return Outcome(json.loads(pod.text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _failed(job: JobRecord, request: Request, pods: Sequence[PodRecord]) -> JobState:
    if job.why == CANCELLED:
        return JobState(Phase.ABORTED)
    if job.why:
        return JobState(Phase.FAILED, job.why)
    bad = sorted(
        (pod for pod in pods if pod.phase == "Failed"),
        key=lambda pod: (pod.is_deleted, pod.finished or pod.created, pod.index or 0),
    )
    if not bad:
        if job.reason == "DeadlineExceeded":
            return JobState(Phase.FAILED, f"its Job was ended by its deadline: {job.message}")
        return JobState(Phase.RETRYABLE_FAILED, _GONE)
    # The first failure of an array ends the others, so it is the one that says why.
    state = _failure(bad[0], request)
    if request.array is None:
        return state
    message = f"index {bad[0].index}: {state.message}"
    return JobState(state.phase, message, details=_details(pods))


def _failure(pod: PodRecord, request: Request) -> JobState:
    """Why a pod has failed: by the cluster, by a limit, by what its wrapper says, or by its exit code."""
    state = _ended_by_cluster(pod, request)
    if state is None and request.has_outcome:
        state = _outcome(pod)
    if state is not None and state.phase != Phase.SUCCEEDED:
        return state
    if pod.exit_code is None:
        why = " ".join(filter(None, (pod.reason, pod.message))) or "the node does not say why"
        return JobState(Phase.RETRYABLE_FAILED, f"the pod failed before its job ended: {why}")
    end = f"the job ended with exit code {pod.exit_code}"
    if pod.container_reason in ("StartError", "ContainerCannotRun"):
        end = "the job can't be started"
    said = pod.text.strip().splitlines()
    if said and not pod.text.startswith("{"):  # of a job that has written outputs, they are no reason
        end = f"{end}: {redact(said[-1])[:1000]}"
    is_retryable = pod.exit_code in request.retry_exit_codes
    return JobState(Phase.RETRYABLE_FAILED if is_retryable else Phase.FAILED, end)


def _ended_by_cluster(pod: PodRecord, request: Request) -> JobState | None:
    """Which limit a pod exceeded, or why the cluster ended it; None if neither."""
    if pod.reason == "DeadlineExceeded":
        limit = f"its time limit of {request.timeout_seconds:g} s"
        if pod.begun:
            return JobState(Phase.FAILED, f"the job exceeded {limit}")
        why = f": {_waiting(pod)}" if pod.waiting else ""
        return JobState(Phase.FAILED, f"the job did not start within {limit}{why}")
    if pod.disrupted or pod.reason in _DISRUPTIONS:
        why = " ".join(filter(None, (pod.disrupted or pod.reason, pod.message)))
        return JobState(Phase.RETRYABLE_FAILED, f"the cluster ended the job: {why}")
    if pod.container_reason == "OOMKilled":
        limit = f"its memory limit of {pod.memory}" if pod.memory else "the memory of its node"
        return JobState(Phase.FAILED, f"the job exceeded {limit}")
    return None


def _latest(pods: Sequence[PodRecord]) -> PodRecord:
    return max(pods, key=lambda pod: pod.created)
