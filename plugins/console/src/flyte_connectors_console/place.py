"""What the pages are about: a connector service, or the runs of this machine."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Protocol

from flyte_connectors_console.job_address import JobAddress

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from flyteidl2.connector import connector_pb2 as pb

    from flyte_connectors_console.checkup import Checkup


class Client(Protocol):
    """Answers requests about jobs; `flyte_connectors.client` has the kinds there are."""

    async def get(self, request: pb.GetTaskRequest, timeout: float | None = None) -> pb.GetTaskResponse:
        """Report a job's state."""
        ...

    async def delete(self, request: pb.DeleteTaskRequest, timeout: float | None = None) -> pb.DeleteTaskResponse:
        """Cancel a job."""
        ...

    async def get_metrics(
        self, request: pb.GetTaskMetricsRequest, timeout: float | None = None
    ) -> pb.GetTaskMetricsResponse:
        """Report a job's metrics."""
        ...

    def get_logs(self, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        """Yield the messages of one page of a job's log."""
        ...


@dataclasses.dataclass
class KnownJob:
    """What is known about a job besides what its connector reports.

    Attributes:
        address: The job.
        task: Name of its task; project, domain, run, action and attempt of its execution, as far as they are known.
        phase: Its phase when it was last asked for, and the message with it.
        seen: When it was first seen, in seconds since 1970.
        asked: When its state was last asked for; None if never.
        polls: How often.
        fault: Why its state can't be read now; empty if it can. `failing_since` is when that began, `next_try` when
            it is expected to be asked for again.
        inputs: Its inputs, short, by name; None if they are not known.
        logs_command: The command that prints its log; empty if it is that of any job's address.
    """

    address: JobAddress
    task: str = ""
    project: str = ""
    domain: str = ""
    run: str = ""
    action: str = ""
    attempt: int | None = None
    phase: str = ""
    message: str = ""
    seen: float = dataclasses.field(default_factory=time.time)
    asked: float | None = None
    polls: int = 0
    fault: str = ""
    failing_since: float | None = None
    next_try: float | None = None
    inputs: Mapping[str, str] | None = None
    logs_command: str = ""


class Place(Protocol):
    """Where jobs come from, and who answers about them.

    Attributes:
        title: What the pages are about, for their head.
        loop: The event loop that clients are used on.
        may_cancel: Whether the pages may cancel jobs.
        checkup: Runs `flyte-connectors doctor`; None if that is not installed.
    """

    title: str
    may_cancel: bool

    @property
    def checkup(self) -> Checkup | None: ...  # noqa: D102

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...  # noqa: D102

    def overview(self) -> Mapping[str, Any]:
        """What the template of the first page shows."""
        ...

    def jobs(self) -> Sequence[KnownJob]:
        """The jobs that are known, newest first."""
        ...

    def counts(self) -> Sequence[tuple[float, Mapping[str, int]]]:
        """Jobs by phase over time; the times are in seconds since 1970."""
        ...

    def known(self, address: JobAddress) -> KnownJob | None:
        """What is known about one job."""
        ...

    def endpoint(self, host: str) -> str:
        """The service that `flyte-connectors logs` is to ask about a job; empty for its own process.

        Args:
            host: The host name or address that the browser uses.
        """
        ...

    def client(self, address: JobAddress) -> AbstractAsyncContextManager[Client]:
        """What answers about a job.

        Raises:
            ConnectorError: nothing does; its text is shown.
        """
        ...
