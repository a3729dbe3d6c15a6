"""The Kubernetes back end as the connector sees it."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import threading
import time
from typing import TYPE_CHECKING, ClassVar

from flyte_connectors.errors import (
    InvalidResourceMetaError,
    JobNotFoundError,
)
from flyte_connectors_kubernetes.api_server import access

from flyte_connectors_batch_job.backends import outages
from flyte_connectors_batch_job.backends.interface import JobState, Link, each
from flyte_connectors_batch_job.backends.kubernetes import calls, job_secrets, logs, manifest, records, states
from flyte_connectors_batch_job.backends.kubernetes.api import Api, loop
from flyte_connectors_batch_job.backends.kubernetes.mirror import Mirror, Refusals
from flyte_connectors_batch_job.settings import BatchJobSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from flyte_connectors_kubernetes.api_server import Access

    from flyte_connectors_batch_job.backends.interface import JobKey, JobRequest, LogRecord
    from flyte_connectors_batch_job.backends.kubernetes.records import JobRecord, PodRecord
    from flyte_connectors_batch_job.backends.kubernetes.settings import KubernetesSettings

    _Records: TypeAlias = "tuple[JobRecord | None, list[PodRecord]]"

_HANDLE = re.compile(r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/([0-9a-f-]{36})")
_AT_ONCE = 20

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
        loop().run(calls.check(api))
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
        return loop().run(calls.create(api, job, manifest.summary(request, secret), secrets))

    def states(self, jobs: Sequence[JobKey]) -> list[JobState | Exception]:
        """How each job is, by what is known of all jobs; the others are read from the server at the same time."""
        found = each(_found, jobs)
        asked = [one for one in found if isinstance(one, _Found) and one.records == (None, [])]
        if asked:
            loop().run(_ask_about(asked))
        return each(_state, found)

    def cancel(self, job_id: str, handle: str) -> None:
        """Have the job's pods end. The Job stays, so that a replayed create finds it, and so do the logs."""
        one = _Job(job_id, handle)
        loop().run(calls.end(one.api, one.name, one.uid, records.CANCELLED))

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

    def known(self) -> _Records:
        """The job's records; None in place of its Job's if the server has to be asked."""
        mirror = self.space.mirror
        record = mirror.job(self.name)
        pods = mirror.pods(self.name)
        # A very new job, and the last news of an ended one's pods, may still be on their way here.
        is_open = record is not None and record.ended and not all(pod.has_ended for pod in pods)
        if record is None or record.uid != self.uid or is_open or (record.ended and not pods):
            return None, []
        return record, pods

    def look(self) -> tuple[JobRecord, list[PodRecord]]:
        """The job's records.

        Raises:
            JobNotFoundError: it is gone.
        """
        found = self.known()
        return self.checked(found if found[0] else loop().run(calls.read(self.api, self.name)))

    def checked(self, found: _Records) -> tuple[JobRecord, list[PodRecord]]:
        """The job's records, if they are its own.

        Raises:
            JobNotFoundError: it is gone.
        """
        record, pods = found
        if record is None or record.uid != self.uid or record.request is None:
            message = f"batch job '{self._id}' is gone: namespace '{self.namespace}' has no Job '{self.name}' of it"
            raise JobNotFoundError(f"{message}, perhaps because it ended long ago")
        return record, pods


@dataclasses.dataclass(eq=False)
class _Found:
    """A job that is polled, and its records, or why they are not known."""

    job: _Job
    records: _Records | Exception


@outages.answered_at_once()
def _found(key: JobKey) -> _Found:
    job = _Job(*key)
    return _Found(job, job.known())


async def _ask_about(found: Sequence[_Found]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def ask(one: _Found) -> None:
        async with slots:
            try:
                one.records = await calls.read(one.job.api, one.job.name)
            except Exception as error:
                one.records = error

    await asyncio.gather(*map(ask, found))


@outages.answered_at_once()
def _state(found: _Found | Exception) -> JobState:
    if isinstance(found, Exception):
        raise found
    if isinstance(found.records, Exception):
        raise found.records
    one = found.job
    record, pods = one.checked(found.records)
    if record.why or record.ended:
        return states.state_of(record, pods)
    failure = states.pull_failure(pods)
    if failure and time.time() - failure[0] > _settings().pull_seconds:
        # The Job would try on for ever, and might run after it was said to have failed.
        loop().run(calls.end(one.api, record.name, record.uid, failure[1]))
    refused = ""
    if not (pods or record.is_suspended) and time.time() - record.created > _PODLESS_SECONDS:
        refused = one.space.refusals.of(record.uid)
    return states.state_of(record, pods, refused)


def _parts(handle: str) -> tuple[str, str, str]:
    match = _HANDLE.fullmatch(handle)
    if match is None:
        message = "its handle is not that of a job on Kubernetes"
        raise InvalidResourceMetaError(message, field="resource_meta")
    return match[1], match[3], match[5]
