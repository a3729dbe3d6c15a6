"""One Job on the API server: created, read, and ended."""

from __future__ import annotations

import asyncio
import email.utils
import math
import time
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import ConflictError, ConnectorError, JobNotFoundError, ServiceUnavailableError

from flyte_connectors_batch_job.backends.interface import GRACE_SECONDS
from flyte_connectors_batch_job.backends.kubernetes import job_secrets, records
from flyte_connectors_batch_job.backends.kubernetes.api import ExpiredError
from flyte_connectors_batch_job.backends.kubernetes.records import job_record, pod_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.kubernetes.api import Api
    from flyte_connectors_batch_job.backends.kubernetes.records import JobRecord, PodRecord

_CONFLICT, _NOT_FOUND = 409, 404
_ENDING_TRIES = 5
_ENDING_AT_ONCE = 20
_SPARE_SECONDS = 5
"""After the grace time, in which a node that lives has ended its pods."""


async def check(api: Api) -> None:
    """Ask whether a Job may be created and jobs and pods be read."""
    container = {"name": records.CONTAINER, "image": "check"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    job = {"metadata": {"generateName": "check-"}, "spec": {"template": {"spec": pod}}}
    await api.request("POST", "jobs", body=job, query={"dryRun": "All"}, repeatable=True)
    for plural in ("jobs", "pods"):
        await api.request("GET", plural, query={"limit": 1, "labelSelector": records.SELECTOR})


async def create(api: Api, job: dict[str, Any], wanted: records.Request, secrets: Mapping[str, str]) -> str:
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
                await end(api, record.name, record.uid, "its Secret could not be created")
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


async def read(api: Api, name: str) -> tuple[JobRecord | None, list[PodRecord]]:
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


async def end(api: Api, name: str, uid: str, why: str) -> None:
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
