"""What is kept of the API's objects: of ten thousand jobs, the rest would not fit into memory."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

PREFIX = "flyte-connectors"
"""Of the annotations by which any replica knows a Job."""

REQUEST = f"{PREFIX}/request"
ENDED = f"{PREFIX}/ended"
MANAGED_BY, MANAGER = "app.kubernetes.io/managed-by", "flyte-connectors-batch-job"
SELECTOR = f"{MANAGED_BY}={MANAGER}"
CANCELLED = "cancelled"
"""Value of the annotation `ENDED` for a job that was cancelled; others say why the job had to fail."""

CONTAINER = "job"

_JOB_NAMES = ("batch.kubernetes.io/job-name", "job-name")
_INDEX = "batch.kubernetes.io/job-completion-index"


@dataclasses.dataclass(frozen=True)
class Request:
    """What a Job's annotation says of the request that it was made of.

    Attributes:
        digest: Of all that the request says.
        outputs: Names of the declared outputs.
        line_output: Name of the output that falls back to the last line of stdout; empty if none does.
        retry_exit_codes: Exit codes after which Flyte may try again.
        array: Number of pods, or None if the job is not an array.
        timeout_seconds: Time limit.
        queue: The queue that it waits in; empty if in none.
        has_outcome: Whether its termination message is the outcome of the wrapper.
        secret: Name of the Secret with the values of its secrets; empty if it has none.
    """

    digest: str = ""
    outputs: tuple[str, ...] = ()
    line_output: str = ""
    retry_exit_codes: tuple[int, ...] = ()
    array: int | None = None
    timeout_seconds: float = 0
    queue: str = ""
    has_outcome: bool = False
    secret: str = ""

    def to_annotation(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_annotation(cls, text: str) -> Request | None:
        """What `to_annotation` wrote; None for anything else."""
        try:
            content = json.loads(text)
            known = {field.name for field in dataclasses.fields(cls)}
            found = {name: value for name, value in content.items() if name in known}
            for name in ("outputs", "retry_exit_codes"):
                found[name] = tuple(found.get(name, ()))
            return cls(**found)
        except (ValueError, TypeError, AttributeError):
            return None


@dataclasses.dataclass(frozen=True)
class JobRecord:
    """A Job.

    Attributes:
        name: Its name.
        uid: Its identity: another Job of this name has another.
        request: None if it is not one of ours.
        ended: `Complete`, `Failed`, or empty while neither is final.
        reason: Of its end.
        message: Of its end.
        why: Value of the annotation `ENDED`; empty if it was left alone.
        is_suspended: Whether it may not start, as Kueue says it.
        created: When, in seconds since 1970.
        started: When its controller began with it; 0 if it has not.
        succeeded: How many of its pods have.
        version: Its resource version.
    """

    name: str
    uid: str
    request: Request | None
    ended: str = ""
    reason: str = ""
    message: str = ""
    why: str = ""
    is_suspended: bool = False
    created: float = 0
    started: float = 0
    succeeded: int = 0
    version: str = ""


@dataclasses.dataclass(frozen=True)
class PodRecord:
    """A pod of a Job.

    Attributes:
        name: Its name.
        uid: Its identity.
        job: Name of its Job.
        index: Its index in the array; None if the Job is not an array.
        phase: `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        reason: Why it failed, as the node or the cluster says.
        message: The same, for people.
        created: When, in seconds since 1970.
        is_deleted: Whether it is being deleted: by its controller, after another pod of an array has failed.
        unscheduled: Why no node takes it; empty if one has.
        disrupted: Why the cluster ended it; empty if it did not.
        waiting: Why its container does not run yet; empty if it does.
        waiting_message: The same, for people.
        container_reason: Why its container ended, such as `OOMKilled`.
        exit_code: Of its container; None while it has not ended.
        text: What its container wrote to its termination message.
        begun: When its container began; 0 if it did not.
        finished: When its container ended; 0 if it did not.
        image: Of its container.
        memory: Its container's limit of memory; empty if there is none.
    """

    name: str
    uid: str
    job: str
    index: int | None = None
    phase: str = ""
    reason: str = ""
    message: str = ""
    created: float = 0
    is_deleted: bool = False
    unscheduled: str = ""
    disrupted: str = ""
    waiting: str = ""
    waiting_message: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    text: str = ""
    begun: float = 0
    finished: float = 0
    image: str = ""
    memory: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether it will not run any more."""
        return self.phase in ("Succeeded", "Failed")


def job_record(item: dict[str, Any]) -> JobRecord:
    """Of a Job as the API gives it."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    annotations = metadata.get("annotations") or {}
    is_ours = (metadata.get("labels") or {}).get(MANAGED_BY) == MANAGER
    final = _conditions(status, "Complete", "Failed")
    return JobRecord(
        name=metadata["name"],
        uid=metadata["uid"],
        request=Request.from_annotation(annotations.get(REQUEST, "")) if is_ours else None,
        ended=str(final.get("type", "")),
        reason=final.get("reason") or "",
        message=final.get("message") or "",
        why=annotations.get(ENDED, ""),
        is_suspended=bool(spec.get("suspend")),
        created=seconds(metadata.get("creationTimestamp")),
        started=seconds(status.get("startTime")),
        succeeded=status.get("succeeded") or 0,
        version=metadata.get("resourceVersion") or "",
    )


def pod_record(item: dict[str, Any]) -> PodRecord:
    """Of a pod as the API gives it."""
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    labels = metadata.get("labels") or {}
    index = (metadata.get("annotations") or {}).get(_INDEX)
    statuses = status.get("containerStatuses") or ()
    state = next((one["state"] for one in statuses if one.get("name") == CONTAINER), None) or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    begun = ended or state.get("running") or {}
    containers = spec.get("containers") or ()
    container: dict[str, Any] = next((one for one in containers if one.get("name") == CONTAINER), {})
    unscheduled = _conditions(status, "PodScheduled", wanted="False")
    disrupted = _conditions(status, "DisruptionTarget")
    return PodRecord(
        name=metadata["name"],
        uid=metadata["uid"],
        job=next((labels[label] for label in _JOB_NAMES if label in labels), ""),
        index=int(index) if index is not None and index.isdecimal() else None,
        phase=status.get("phase") or "",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        created=seconds(metadata.get("creationTimestamp")),
        is_deleted=bool(metadata.get("deletionTimestamp")),
        unscheduled=unscheduled.get("message") or unscheduled.get("reason") or "",
        disrupted=disrupted.get("reason") or "",
        waiting=waiting.get("reason") or "",
        waiting_message=waiting.get("message") or "",
        container_reason=ended.get("reason") or "",
        exit_code=ended.get("exitCode"),
        text=ended.get("message") or "",
        begun=seconds(begun.get("startedAt")),
        finished=seconds(ended.get("finishedAt")),
        image=container.get("image") or "",
        memory=((container.get("resources") or {}).get("limits") or {}).get("memory") or "",
    )


def seconds(time: str | None) -> float:
    """A time of the API in seconds since 1970; 0 for none."""
    if not time:
        return 0
    try:
        return dt.datetime.strptime(time, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0


def _conditions(status: dict[str, Any], *types: str, wanted: str = "True") -> dict[str, Any]:
    """The first condition of one of these types that holds; empty if none does."""
    for condition in status.get("conditions") or ():
        if condition.get("type") in types and condition.get("status") == wanted:
            return dict(condition)
    return {}
