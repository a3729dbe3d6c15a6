"""The jobs and pods of a namespace, as the API server last reported them.

However many jobs are polled, the server is asked for all of them once, by their label, and from then on it reports
what changes (list and watch, as Kubernetes' own controllers do it). A mirror ends when it has not been used for a while.

Reference: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import ConnectorError, ServiceUnavailableError

from flyte_connectors_batch_job.backends import outages
from flyte_connectors_batch_job.backends.kubernetes.api import ExpiredError, loop
from flyte_connectors_batch_job.backends.kubernetes.records import (
    SELECTOR,
    job_record,
    pod_record,
)

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.kubernetes.api import Api
    from flyte_connectors_batch_job.backends.kubernetes.records import JobRecord, PodRecord

logger = logging.getLogger(__name__)

WATCH_SECONDS = 60
"""After which the server is asked for changes again; a connection that is dead unnoticed costs no more."""

READY_SECONDS = 5.0
"""After the begin, in which callers wait for the first list; a very long one holds up no threads."""

UNUSED_SECONDS = 180.0
_PAUSES = (0.2, 0.5, 1.0, 2.0)


class Mirror:
    """A namespace's jobs and pods.

    Args:
        api: The API of the namespace.
    """

    def __init__(self, api: Api) -> None:
        self._jobs = _Jobs(api)
        self._pods = _Pods(api)
        self._used = time.monotonic()
        for kind in (self._jobs, self._pods):
            loop().start(lambda kind=kind: kind.follow(self))  # type: ignore[misc]

    @property
    def is_used(self) -> bool:
        """Whether it was used lately; else it has ended."""
        return time.monotonic() - self._used < UNUSED_SECONDS

    def job(self, name: str) -> JobRecord | None:
        """A Job by name; None if there is none, or it is very new.

        Raises:
            ConnectorError: the server can't be asked.
        """
        self._used = time.monotonic()
        for kind in (self._jobs, self._pods):
            kind.wait()
        return self._jobs.known.get(name)

    def pods(self, job: str) -> list[PodRecord]:
        """The pods of a Job."""
        return list(self._pods.known.get(job, {}).values())


class _Kind:
    """The objects of one kind."""

    plural: str
    known: Any

    def __init__(self, api: Api) -> None:
        self._api = api
        self._begun = time.monotonic()
        self._asked = threading.Event()
        self._fault: ConnectorError | None = None
        self._part = b""
        self._version = ""

    def wait(self) -> None:
        """Return when the objects are known.

        Raises:
            ConnectorError: the server can't be asked.
        """
        if self._asked.wait(max(self._begun + READY_SECONDS - time.monotonic(), 0)):
            fault = self._fault
        else:
            fault = ServiceUnavailableError("Kubernetes has not yet listed the jobs")
        if fault is not None:
            raise outages.own(fault)

    async def follow(self, mirror: Mirror) -> None:
        """Keep up with the server for as long as the mirror is used."""
        failures = 0
        while mirror.is_used:
            try:
                await self._list()
                failures = 0
                while mirror.is_used:
                    await self._watch()
            except ExpiredError:
                continue
            except Exception as error:  # whatever it is: a mirror that ends unnoticed would be believed
                self._note(_fault_of(error))
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                failures += 1
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311
        self._note(ServiceUnavailableError("the jobs on Kubernetes are being listed again"))

    def _note(self, fault: ConnectorError | None) -> None:
        self._fault = fault
        self._asked.set()

    async def _list(self) -> None:
        kept: Any = {}
        async for page in self._api.pages(self.plural, SELECTOR):
            for item in page["items"]:
                self.put(kept, item)
            self._version = page["metadata"].get("resourceVersion", "")
        self.known = kept
        self._note(None)

    async def _watch(self) -> None:
        self._part = b""
        await self._api.watch(self.plural, SELECTOR, self._version, WATCH_SECONDS, self._read)

    def _read(self, chunk: bytes) -> None:
        *lines, self._part = (self._part + chunk).split(b"\n")
        for line in lines:
            if line:
                self._apply(json.loads(line))

    def _apply(self, event: dict[str, Any]) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            raise ExpiredError  # with status 410, which comes as an event of a successful reply
        self._version = item["metadata"]["resourceVersion"]
        if event["type"] == "DELETED":
            self.drop(item)
        elif event["type"] in ("ADDED", "MODIFIED"):
            self.put(self.known, item)

    def put(self, known: Any, item: dict[str, Any]) -> None:
        """Note an object."""
        raise NotImplementedError

    def drop(self, item: dict[str, Any]) -> None:
        """Forget an object."""
        raise NotImplementedError


def _fault_of(error: Exception) -> ConnectorError:
    if isinstance(error, ConnectorError):
        return error
    logger.error("the API server answered what can't be read", exc_info=error)
    return ServiceUnavailableError("the API server answered what can't be read")


class _Jobs(_Kind):
    plural = "jobs"

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.known: dict[str, JobRecord] = {}

    def put(self, known: dict[str, JobRecord], item: dict[str, Any]) -> None:
        record = job_record(item)
        known[record.name] = record

    def drop(self, item: dict[str, Any]) -> None:
        self.known.pop(item["metadata"]["name"], None)


class _Pods(_Kind):
    plural = "pods"

    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.known: dict[str, dict[str, PodRecord]] = {}

    def put(self, known: dict[str, dict[str, PodRecord]], item: dict[str, Any]) -> None:
        record = pod_record(item)
        known.setdefault(record.job, {})[record.name] = record

    def drop(self, item: dict[str, Any]) -> None:
        record = pod_record(item)
        others = self.known.get(record.job, {})
        others.pop(record.name, None)
        if not others:
            self.known.pop(record.job, None)


class Refusals:
    """Why the cluster creates no pods of jobs, by the uid of the Job: one question for all of them.

    Args:
        api: The API of the namespace.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._asked = 0.0
        self._known: dict[str, str] = {}

    def of(self, uid: str) -> str:
        """Why there is no pod; empty if the cluster does not say."""
        with self._lock:
            if time.monotonic() - self._asked > READY_SECONDS:
                try:
                    self._known = loop().run(self._list())
                except ConnectorError:  # a service that may not read events goes without
                    self._known = {}
                self._asked = time.monotonic()
        return self._known.get(uid, "")

    async def _list(self) -> dict[str, str]:
        query = {"fieldSelector": "involvedObject.kind=Job,reason=FailedCreate", "limit": 500}
        reply = await self._api.request("GET", "events", query=query)
        events = reply.json_object(items=list)["items"]
        return {event["involvedObject"].get("uid", ""): event.get("message", "") for event in events}
