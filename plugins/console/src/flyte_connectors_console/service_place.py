"""The pages of a connector service: `serve --console`."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import seal, unseal
from flyte_connectors.errors import ServiceStartError, ServiceUnavailableError, UnsupportedVerbError
from flyte_connectors.service.auth import TokenFile
from flyte_connectors.service.plugin_settings import installed_settings
from flyte_connectors.service.settings import FIELDS, WORKER_VARIABLE, flag_of
from flyte_connectors.settings import declared
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution

from flyte_connectors_console.access import Access
from flyte_connectors_console.application import Console
from flyte_connectors_console.asked import AskedJobs
from flyte_connectors_console.checkup import checkup_of_service, is_installed
from flyte_connectors_console.job_address import JobAddress
from flyte_connectors_console.overview import connector_rows, plugin_rows
from flyte_connectors_console.place import KnownJob
from flyte_connectors_console.texts import shortened

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Mapping, Sequence

    from flyte_connectors.service.server import ConnectorService

    from flyte_connectors_console.settings import ConsoleSettings

_CREDENTIALS = re.compile(r"(://)[^/@\s]+@")
_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104  (recognized, not bound)
_CREATING = "the job is still being created"


def pages_of(service: ConnectorService, settings: ConsoleSettings) -> Console:
    """The pages of a service, which records its requests from now on.

    Raises:
        ServiceStartError: it is one of several workers.
        SettingsError: the token file can't be read.
    """
    if WORKER_VARIABLE in os.environ:
        text = "start replicas instead, or open `flyte-connectors console --endpoint HOST:PORT`"
        raise ServiceStartError(f"--console needs --workers 1: {text}")
    tokens = None
    if settings.token_file:
        tokens = TokenFile(settings.token_file, "--console-token-file")
    elif service.settings.auth_token_file:
        tokens = TokenFile(service.settings.auth_token_file)
    asked = AskedJobs(settings.url or "")
    service.wrap_requests(asked.wrap)
    host = urlsplit(settings.url or "").hostname
    place = ServicePlace(service, asked, settings.endpoint or "")
    return Console(place, Access(tokens, [host] if host else []))


class ServicePlace:
    """A connector service of this process; its jobs are shown, never changed.

    Args:
        service: The service.
        asked: The jobs that it was called for.
        endpoint: Where users reach it; empty for its port on the host of the pages.
    """

    title = "Connector service"
    may_cancel = False

    def __init__(self, service: ConnectorService, asked: AskedJobs, endpoint: str = "") -> None:
        self._service = service
        self._asked = asked
        self._endpoint = endpoint
        self._client = _Reader(service)
        has_command = is_installed(service.registry.selection)
        self.checkup = checkup_of_service(service.settings) if has_command else None
        self._started = time.time()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """That of the service."""
        loop = self._service.loop
        assert loop is not None  # pages are served once it has started
        return loop

    def overview(self) -> Mapping[str, Any]:
        """Plugins, health, faults, settings."""
        service = self._service
        guard = service.dispatcher.guard
        faults = service.faults
        state = "serving" if service.serving else "not serving"
        counts = vars(faults.counts) if faults is not None else {}
        return {
            "where": service.address,
            "state": state,
            "state_note": "" if service.serving else "draining, or without any connector",
            "since": self._started,
            "plugins": plugin_rows(service.reports),
            "connectors": connector_rows(service.registry, guard.isolated),
            "faults": [
                {
                    "job": self._known(meta),
                    "seconds": time.monotonic() - failing.since,
                    "reason": shortened(failing.reason, 500),
                    "lost_in": faults.lost_after - (time.monotonic() - failing.since),
                }
                for meta, failing in list(faults.failing.items())[-100:]
            ]
            if faults is not None
            else [],
            "counts": counts,
            "settings": _settings(service),
            "now": time.time(),
        }

    def jobs(self) -> Sequence[KnownJob]:
        """The jobs that this replica was called for since its start."""
        return [self._with_fault(job) for job in self._asked.all()]

    def counts(self) -> Sequence[tuple[float, Mapping[str, int]]]:
        """How many of them were in each phase."""
        return self._asked.counts()

    def known(self, address: JobAddress) -> KnownJob | None:
        """What this replica knows about a job; another one may know more."""
        job = self._asked.get(address)
        return None if job is None else self._with_fault(job)

    def endpoint(self, host: str) -> str:
        """That of the settings, else the service's port where the browser found the pages."""
        settings = self._service.settings
        here = f"[{host}]" if ":" in host else host
        address = f"{here}:{self._service.port}" if settings.host in _WILDCARDS else self._service.address
        return self._endpoint or (f"https://{address}" if settings.tls_cert else address)

    @contextlib.asynccontextmanager
    async def client(self, address: JobAddress) -> AsyncIterator[_Reader]:  # noqa: ARG002
        """The service's own connectors."""
        yield self._client

    def _with_fault(self, job: KnownJob) -> KnownJob:
        faults = self._service.faults
        failing = None if faults is None else faults.failing.get(job.address.meta)
        job.fault = "" if failing is None else shortened(failing.reason, 500)
        job.failing_since = None if failing is None else time.time() - (time.monotonic() - failing.since)
        return job

    def _known(self, meta: bytes) -> KnownJob | None:
        found = (job for job in self._asked.all() if job.address.meta == meta)
        return next(found, None)


class _Reader:
    """Answers about jobs, and changes nothing: a page must neither start a job nor cancel one."""

    def __init__(self, service: ConnectorService) -> None:
        # Without the handling of transient errors: a page says what is wrong.
        self._dispatcher = Dispatcher(service.registry, service.dispatcher.guard)
        self._service = service

    async def get(self, request: pb.GetTaskRequest, timeout: float | None = None) -> pb.GetTaskResponse:
        """Report a job's state; no create is begun anew, and no time limit enforced."""
        self._check()
        task_type = request.task_category.name
        envelope = unseal(request.resource_meta, task_type)
        if envelope.request:
            creating = pb.Resource(phase=TaskExecution.INITIALIZING, message=_CREATING)
            return pb.GetTaskResponse(resource=creating)
        if envelope.limit is not None:  # a job whose time is up would be cancelled
            meta = seal(envelope._replace(limit=None), task_type)
            request = pb.GetTaskRequest(resource_meta=meta, task_category=request.task_category)
        return await self._dispatcher.get(request, timeout)

    async def get_metrics(
        self, request: pb.GetTaskMetricsRequest, timeout: float | None = None
    ) -> pb.GetTaskMetricsResponse:
        """Report a job's metrics."""
        self._check()
        return await self._dispatcher.get_metrics(request, timeout)

    async def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield the messages of one page of a job's log."""
        self._check()
        async for item in self._dispatcher.get_logs(request):
            yield item

    async def delete(
        self,
        request: pb.DeleteTaskRequest,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
    ) -> pb.DeleteTaskResponse:
        """Refuse."""
        raise UnsupportedVerbError("the console of a service cancels nothing")

    def _check(self) -> None:
        """Raise if the service is shutting down, and must not begin anything."""
        if not self._service.serving:
            raise ServiceUnavailableError("the service is shutting down")


def _settings(service: ConnectorService) -> list[dict[str, Any]]:
    """The settings in force, those of plugins by their variables; credentials in a URL are masked."""
    rows = [
        _row(flag_of(name), getattr(service.settings, name), field.default, field.metadata["help"])
        for name, field in FIELDS.items()
    ]
    for name, settings in installed_settings(service.registry.selection).items():
        values = settings.read()
        for one in declared(settings):
            value: Any = values
            for step in one.path:
                value = getattr(value, step)
            rows.append(_row(f"{name}: {one.key}", value, one.default, one.metadata["help"]))
    return rows


def _row(name: str, value: Any, default: Any, meaning: str) -> dict[str, Any]:
    shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
    return {
        "name": name,
        "value": "" if shown is None else _CREDENTIALS.sub(r"\1***@", str(shown)),
        "is_default": value == default,
        "help": meaning,
    }
