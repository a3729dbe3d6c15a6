"""The runs that are recorded on this machine: `flyte-connectors console`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors._registry.discovery import PluginReport, load_plugins
from flyte_connectors._registry.installed import Selection
from flyte_connectors._registry.table import process_registry
from flyte_connectors.cli import history
from flyte_connectors.cli.history import JobRecord
from flyte_connectors.cli.job_clients import client_of, service_at
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.errors import ConnectorError
from flyte_connectors.secrets import ENVIRONMENT_PREFIX, resolve
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.task.common_pb2 import Inputs
from google.protobuf.message import DecodeError

from flyte_connectors_console.checkup import Checkup, is_installed
from flyte_connectors_console.inputs import inputs_view
from flyte_connectors_console.job_address import JobAddress
from flyte_connectors_console.overview import connector_rows, plugin_rows, remote_rows
from flyte_connectors_console.place import KnownJob
from flyte_connectors_console.texts import phase_name, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from flyte_connectors.cli.history import RunRecord

_MOST_RUNS = 200
_FRESH_SECONDS = 2.0  # for which what was read of a job or a folder is shown again
_MOST_ASKED = 20  # jobs whose state is asked for at once
_CALL_SECONDS = 5.0
_FINAL = frozenset(map(phase_name, TERMINAL_PHASES))


class LaptopPlace:
    """The runs of this machine, and a service elsewhere.

    Args:
        endpoint: Service that answers about jobs that are not recorded here; empty for this process.
    """

    title = "Runs of this machine"
    may_cancel = True

    def __init__(self, endpoint: str = "") -> None:
        self._endpoint = endpoint
        arguments = ["--endpoint", endpoint] if endpoint else []
        self.checkup = Checkup(os.environ, arguments) if is_installed(Selection.of()) else None
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="console", daemon=True).start()
        self._lock = threading.Lock()
        self._states: dict[JobAddress, tuple[float, str, str]] = {}
        self._records: dict[JobAddress, JobRecord] = {}
        self._read_at = -_FRESH_SECONDS
        self._jobs: list[KnownJob] = []
        self._started = time.time()
        self._reports: Sequence[PluginReport] | None = None

    def overview(self) -> Mapping[str, Any]:
        """The plugins that are installed here; with an endpoint, what the service there has."""
        if self._reports is None:
            self._reports = load_plugins(process_registry())
        state, note, connectors = "local", "", connector_rows(process_registry())
        if self._endpoint:
            try:
                reply = self._wait(self._remote_connectors(), 2 * _CALL_SECONDS)
                state, connectors = "serving", remote_rows(reply)
            except (ConnectorError, asyncio.TimeoutError) as error:
                state, note, connectors = "not reachable", str(error), []
        return {
            "where": self._endpoint or "the connectors of this machine",
            "state": state,
            "state_note": note,
            "since": self._started,
            "plugins": plugin_rows(self._reports),
            "connectors": connectors,
            "faults": [],
            "counts": {},
            "settings": [],
            "now": time.time(),
        }

    def jobs(self) -> Sequence[KnownJob]:
        """The jobs of the last runs, newest first."""
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._jobs = list(self._read())
                self._read_at = time.monotonic()
            return self._jobs

    def counts(self) -> Sequence[tuple[float, Mapping[str, int]]]:
        """How many there are now."""
        return [(time.time(), Counter(job.phase or "UNKNOWN" for job in self.jobs()))]

    def known(self, address: JobAddress) -> KnownJob | None:
        """The record of a job, if there is one."""
        return next((job for job in self.jobs() if job.address == address), None)

    def endpoint(self, host: str) -> str:  # noqa: ARG002  (the browser is here)
        """The service elsewhere."""
        return self._endpoint

    def client(self, address: JobAddress) -> AbstractAsyncContextManager[Any]:
        """The service that the job was started on, or this process."""
        unknown = JobRecord("", "", "", address.task_type, address.version, "", self._endpoint)
        return client_of(self._records.get(address, unknown))

    def is_live(self, run: str) -> bool:
        """Whether the process of a run is there."""
        return history.is_live(run)

    def _read(self) -> Sequence[KnownJob]:
        found = []
        for run in history.all_runs()[:_MOST_RUNS]:
            with contextlib.suppress(ConnectorError, OSError, ValueError):
                records = history.find_jobs(run.run)
                found += [self._job(run, record) for record in reversed(records)]
        unknown = [job for job in found if job.phase not in _FINAL][:_MOST_ASKED]
        if unknown:
            with contextlib.suppress(asyncio.TimeoutError):
                self._wait(self._ask(unknown), 1.0)
        return found

    def _job(self, run: RunRecord, record: JobRecord) -> KnownJob:
        address = JobAddress(record.task_type, record.meta, record.task_type_version)
        self._records[address] = record
        asked, phase, message = self._states.get(address, (None, "", ""))
        # A run that has ended well has no other jobs; of one that has failed, each job has its own phase.
        if not phase and run.phase == "SUCCEEDED":
            phase = run.phase
        return KnownJob(
            address,
            task=record.task,
            run=record.run,
            action=record.action,
            phase=phase,
            message=message,
            seen=run.started,
            asked=asked,
            inputs=_inputs(record),
            logs_command=f"flyte-connectors logs {record.run}",
        )

    async def _ask(self, jobs: Sequence[KnownJob]) -> None:
        await asyncio.gather(*(self._ask_one(job) for job in jobs))

    async def _ask_one(self, job: KnownJob) -> None:
        address = job.address
        request = pb.GetTaskRequest(resource_meta=address.meta, task_category=address.category)
        try:
            async with self.client(address) as client:
                resource = (await client.get(request, _CALL_SECONDS)).resource
        except ConnectorError as error:
            job.fault = shortened(error.message, 500)
            return
        job.phase, job.message = phase_name(resource.phase), shortened(resource.message, 500)
        job.asked = time.time()
        self._states[address] = (job.asked, job.phase, job.message)

    async def _remote_connectors(self) -> Any:
        async with service_at(self._endpoint) as service:
            return await service.list_connectors()

    def _wait(self, coroutine: Any, seconds: float) -> Any:
        async def limited() -> Any:
            return await asyncio.wait_for(coroutine, seconds)

        return asyncio.run_coroutine_threadsafe(limited(), self.loop).result()


def _inputs(record: JobRecord) -> Mapping[str, str] | None:
    """The inputs that were recorded; without the secrets that this machine has for the job."""
    if not record.inputs:
        return None
    try:
        inputs = Inputs.FromString(base64.b64decode(record.inputs))
        names = unseal(record.meta, record.task_type).secrets
    except (ConnectorError, DecodeError, ValueError):
        return None
    secrets = [value for name, value in os.environ.items() if name.startswith(ENVIRONMENT_PREFIX)]
    for argument, name in names.items():
        with contextlib.suppress(ConnectorError):  # not on this machine
            secrets += resolve({argument: name}, {}, local=True).values()
    return inputs_view(inputs, secrets)
