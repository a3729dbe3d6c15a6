"""The Kubernetes back end as the connector sees it."""

from __future__ import annotations

import asyncio
import email.utils
import math
import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_connectors.errors import (
    ConflictError,
    ConnectorError,
    InvalidResourceMetaError,
    JobNotFoundError,
    ServiceUnavailableError,
)
from flyte_connectors_kubernetes.api_server import access

from flyte_connectors_batch_job.backends import outages
from flyte_connectors_batch_job.backends.interface import GRACE_SECONDS, JobState, Link
from flyte_connectors_batch_job.backends.kubernetes import job_secrets, logs, manifest, records, states
from flyte_connectors_batch_job.backends.kubernetes.api import Api, ExpiredError, loop
from flyte_connectors_batch_job.backends.kubernetes.mirror import Mirror, Refusals
from flyte_connectors_batch_job.backends.kubernetes.records import job_record, pod_record
from flyte_connectors_batch_job.settings import BatchJobSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flyte_connectors_kubernetes.api_server import Access

    from flyte_connectors_batch_job.backends.interface import JobRequest, LogRecord
    from flyte_connectors_batch_job.backends.kubernetes.records import JobRecord, PodRecord
    from flyte_connectors_batch_job.backends.kubernetes.settings import KubernetesSettings

_HANDLE = re.compile(r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/([0-9a-f-]{36})")
_CONFLICT, _NOT_FOUND = 409, 404
_ENDING_TRIES = 5
_ENDING_AT_ONCE = 20
_SPARE_SECONDS = 5
"""After the grace time, in which a node that lives has ended its pods."""

_PODLESS_SECONDS = 2.0
"""In which a Job usually has a pod; after that the cluster is asked why it has none."""


class KubernetesBackend:
    """Jobs as `batch/v1` Jobs; a job's handle is the namespace, name and uid of its Job."""

    name: ClassVar[str] = "kubernetes"
    abilities: ClassVar[frozenset[str]] = frozenset(
        {
            "array",
            "cpu",
            "env",
            "files",
            "gpu",
            "image",
            "interruptible",
            "memory",
            "queue",
            "retry_exit_codes",
            "secrets",
            "working_directory",
        }
    )

    def check_connection(self) -> str:
        """Where jobs run, once the API server has said that one may be created and its pods read."""
        chosen, where = _settings(), access()
        api = Api(where, chosen.namespace or where.namespace)
        loop().run(_check(api))
        return f"Kubernetes at {where.server}, namespace '{api.namespace}', by {where.name}"

    def submit(self, job_id: str, request: JobRequest, secrets: Mapping[str, str]) -> str:
        """Create the Job, or find that it is there: its name is the job's id. Then the Secret that it names."""
        chosen, where = _settings(), access()
        api = Api(where, chosen.namespace or where.namespace)
        secret = ""
        if request.config.secrets:
            job_secrets.check(request.config.secrets, secrets)
            secret = job_secrets.new_name(manifest.name_of(job_id))
        job = manifest.manifest(job_id, request, chosen, secret)
        return loop().run(_create(api, job, manifest.summary(request, secret), secrets))

    @outages.answered_at_once()
    def state(self, job_id: str, handle: str) -> JobState:
        """How the job is, by what is known of all jobs."""
        one = _Job(job_id, handle)
        record, pods = one.look()
        if record.why or record.ended:
            return states.state_of(record, pods)
        failure = states.pull_failure(pods)
        if failure and time.time() - failure[0] > _settings().pull_seconds:
            # The Job would try on for ever, and might run after it was said to have failed.
            loop().run(_end(one.api, record.name, record.uid, failure[1]))
        refused = ""
        if not (pods or record.is_suspended) and time.time() - record.created > _PODLESS_SECONDS:
            refused = one.space.refusals.of(record.uid)
        return states.state_of(record, pods, refused)

    def cancel(self, job_id: str, handle: str) -> None:
        """Have the job's pods end. The Job stays, so that a replayed create finds it, and so do the logs."""
        one = _Job(job_id, handle)
        loop().run(_end(one.api, one.name, one.uid, records.CANCELLED))

    def log(self, job_id: str, handle: str, token: str, lines: int) -> Iterator[Sequence[LogRecord] | str]:
        """One page of the log: stdout and stderr as Kubernetes gives them, which is as one.

        The pods of an array come one after the other, in the order of their indexes.
        """
        logs.place(token)
        one = _Job(job_id, handle)
        record, pods = one.look()
        pods = sorted(pods, key=lambda pod: (pod.index or 0, pod.created, pod.name))
        yield from logs.page(one.api, loop().run, pods, token, lines, may_grow=not record.ended)

    def usage(self, job_id: str, handle: str) -> Mapping[str, float]:
        """How long the job's containers have run, from the first one's begin to the last one's end.

        Of a job with files, what the wrapper has measured.
        """
        record, pods = _Job(job_id, handle).look()
        if record.request and record.request.has_outcome and len(pods) == 1:
            measured = states.measured(pods[0])
            if measured:
                return measured
        begun = [pod.begun for pod in pods if pod.begun]
        if not begun:
            return {}
        ends = [pod.finished for pod in pods]
        now = max(ends) if all(ends) else time.time()
        return {"at": now, "wall_seconds": max(now - min(begun), 0.0)}

    def links(self, job_id: str, handle: str) -> Sequence[Link]:  # noqa: ARG002
        """The pages that the operator names."""
        namespace, name, _ = _parts(handle)
        return [Link(*page) for page in _settings().pages(namespace, name)]


def _settings() -> KubernetesSettings:
    return BatchJobSettings.read().kubernetes


class _Namespace:
    """What is known of a namespace's jobs, for all callers."""

    def __init__(self, api: Api) -> None:
        self.mirror = Mirror(api)
        self.refusals = Refusals(api)


_namespaces: dict[tuple[int, Access, str], _Namespace] = {}
_lock = threading.Lock()


class _Job:
    """A job by its handle."""

    def __init__(self, job_id: str, handle: str) -> None:
        self._id = job_id
        self._access = access()
        self.namespace, self.name, self.uid = _parts(handle)
        self.api = Api(self._access, self.namespace)

    @property
    def space(self) -> _Namespace:
        """What is known of its namespace."""
        key = (os.getpid(), self._access, self.namespace)
        with _lock:
            found = _namespaces.get(key)
            if found is None or not found.mirror.is_used:
                for old in [old for old, one in _namespaces.items() if not one.mirror.is_used]:
                    del _namespaces[old]
                found = _namespaces[key] = _Namespace(self.api)
            return found

    def look(self) -> tuple[JobRecord, list[PodRecord]]:
        """The job's records.

        Raises:
            JobNotFoundError: it is gone.
        """
        mirror = self.space.mirror
        record = mirror.job(self.name)
        pods = mirror.pods(self.name)
        # A very new job, and the last news of an ended one's pods, may still be on their way here.
        is_open = record is not None and record.ended and not all(pod.has_ended for pod in pods)
        if record is None or record.uid != self.uid or is_open or (record.ended and not pods):
            record, pods = loop().run(_read(self.api, self.name))
        if record is None or record.uid != self.uid or record.request is None:
            message = f"batch job '{self._id}' is gone: namespace '{self.namespace}' has no Job '{self.name}' of it"
            raise JobNotFoundError(f"{message}, perhaps because it ended long ago")
        return record, pods


def _parts(handle: str) -> tuple[str, str, str]:
    match = _HANDLE.fullmatch(handle)
    if match is None:
        message = "its handle is not that of a job on Kubernetes"
        raise InvalidResourceMetaError(message, field="resource_meta")
    return match[1], match[3], match[5]


async def _check(api: Api) -> None:
    container = {"name": records.CONTAINER, "image": "check"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    job = {"metadata": {"generateName": "check-"}, "spec": {"template": {"spec": pod}}}
    await api.request("POST", "jobs", body=job, query={"dryRun": "All"}, repeatable=True)
    for plural in ("jobs", "pods"):
        await api.request("GET", plural, query={"limit": 1, "labelSelector": records.SELECTOR})


async def _create(api: Api, job: dict[str, Any], wanted: records.Request, secrets: Mapping[str, str]) -> str:
    """The handle of the Job, made now or before. It has its Secret, if it needs one.

    Raises:
        ConflictError: the name is another's.
    """
    if wanted.secret:
        await job_secrets.may_create(api, wanted.secret)
    record = await _made(api, job, wanted)
    assert record.request
    if record.request.secret and not (record.ended or record.why):
        try:
            await job_secrets.create(api, record.request.secret, record, secrets)
        except ConnectorError as error:
            if not error.retryable:  # no other call would do better, and the pod would wait to the end of its time
                await _end(api, record.name, record.uid, "its Secret could not be created")
            raise
    return f"{api.namespace}/{record.name}/{record.uid}"


async def _made(api: Api, job: dict[str, Any], wanted: records.Request) -> JobRecord:
    """The Job, made now or before. Raises ConflictError."""
    name = job["metadata"]["name"]
    while True:
        # Its name is the key by which the server knows a repetition.
        accept = frozenset({_CONFLICT})
        reply = await api.request("POST", "jobs", body=job, repeatable=True, accept=accept)
        if reply.is_success:
            return job_record(reply.json())
        reply = await api.request("GET", "jobs", name, accept=frozenset({_NOT_FOUND}))
        if reply.status != _NOT_FOUND:
            break
    found = job_record(reply.json())
    if found.request is None:
        message = f"the Job '{name}' in namespace '{api.namespace}' is not one of this connector"
        raise ConflictError(f"{message}: remove or rename it")
    if found.request.digest != wanted.digest:
        message = f"the Job '{name}' in namespace '{api.namespace}' runs something else"
        raise ConflictError(f"{message}: another task has used its name")
    return found


async def _read(api: Api, name: str) -> tuple[JobRecord | None, list[PodRecord]]:
    """A Job and its pods, from the server itself."""
    reply = await api.request("GET", "jobs", name, accept=frozenset({_NOT_FOUND}))
    if reply.status == _NOT_FOUND:
        return None, []
    return job_record(reply.json()), await _pods(api, name)


async def _pods(api: Api, name: str) -> list[PodRecord]:
    while True:
        try:
            # The older of the two labels: all versions set it.
            pages = api.pages("pods", f"{records.SELECTOR},job-name={name}")
            return [pod_record(item) async for page in pages for item in page["items"]]
        except ExpiredError:
            continue


async def _end(api: Api, name: str, uid: str, why: str) -> None:
    """Have a job end, and have its Job say why. Nothing changes if it has ended.

    A pod that runs gets a deadline that is over: its node ends it, with the grace time, and keeps its log. The Job gets
    one after that, by which its controller deletes whatever is left; without a running pod, at once.

    Raises:
        JobNotFoundError: it is gone.
    """
    for _ in range(_ENDING_TRIES):
        reply = await api.request("GET", "jobs", name, accept=frozenset({_NOT_FOUND}))
        record = None if reply.status == _NOT_FOUND else job_record(reply.json())
        if record is None or record.uid != uid or record.request is None:
            message = f"namespace '{api.namespace}' has no Job '{name}' with the uid {uid}"
            raise JobNotFoundError(message)
        if record.ended:
            return
        running = [pod for pod in await _pods(api, name) if pod.begun and not pod.has_ended]
        if not record.why:
            patch = _ending(record, why, _server_time(reply.headers.get("date")), bool(running))
            accept = frozenset({_CONFLICT})
            if (await api.merge("jobs", name, patch, accept=accept)).status == _CONFLICT:
                continue  # it has just changed: look again
        break
    else:
        message = f"the Job '{name}' changes too fast to be cancelled now"
        raise ServiceUnavailableError(message)
    slots = asyncio.Semaphore(_ENDING_AT_ONCE)

    async def end_pod(pod: str) -> None:
        async with slots:
            patch = {"spec": {"activeDeadlineSeconds": 1}}
            await api.merge("pods", pod, patch, accept=frozenset({_NOT_FOUND}))

    await asyncio.gather(*(end_pod(pod.name) for pod in running))


def _ending(record: JobRecord, why: str, now: float, is_running: bool) -> dict[str, Any]:
    passed = max(now - record.started, 0) if record.started else 0
    later = math.ceil(passed + GRACE_SECONDS) + _SPARE_SECONDS
    spec: dict[str, Any] = {"activeDeadlineSeconds": later if is_running else 1}
    if record.is_suspended:  # its clock stands still, and nothing may start once a queue lets it in
        spec["parallelism"] = 0
    metadata = {"resourceVersion": record.version, "annotations": {records.ENDED: why[:1000]}}
    return {"metadata": metadata, "spec": spec}


def _server_time(date: str | None) -> float:
    """The server's clock, by a header: deadlines are counted by it."""
    try:
        return email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return time.time()
