"""The connector as the tests use it, and what to wait with."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import TERMINAL_PHASES, Resource
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.core.types_pb2 import SimpleType

from flyte_connectors_batch_job import BatchJobConfig, BatchJobConnector, BatchJobMetadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

    from flyte_connectors_batch_job.backends.local.job import Job
    from flyte_connectors_batch_job.backends.local.spool import Spool

TIMEOUT_SECONDS = 20.0

FOREVER = 'echo $$ > "$BATCH_JOB_OUTPUTS.pid"; sleep 60 & echo $! > "$BATCH_JOB_OUTPUTS.kid"; wait'
"""A script with two processes that run on; it writes their ids down as `pid` and `kid`."""

SPEC: dict[str, Any] = {
    "command": None,
    "script": None,
    "env": {},
    "working_directory": None,
    "timeout_seconds": 300,
    "grace_seconds": 5,
    "inputs": {},
    "outputs": [],
    "line_output": None,
}
"""What the connector makes of a plain task, but for its script."""


def wait_for(condition: Callable[[], Any]) -> Any:
    """The first true answer of `condition`, asked again and again for a bounded time."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return answer


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens at, and that no connection from here gets: servers start again at theirs."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as one:
            one.bind(("127.0.0.1", port))
            found += [port] * (port not in found)
    return found


def show(measured: str) -> None:
    """What a test has measured; `pytest -s` shows it."""
    sys.stderr.write(f"\n{measured}\n")


def fill(disk: Path) -> Path:
    """Use up all space. Returns the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(disk).free == 0
    return filler


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_alone(job: Job) -> None:
    """Return when the job's supervisor and keeper have ended."""
    wait_for(lambda: not job.is_guarded())


def wait_until_gone(pids: Iterable[int]) -> None:
    """Return when none of the processes runs any more."""
    wait_for(lambda: not any(map(is_running, pids)))


def template(outputs: dict[str, str] | None = None, **fields: Any) -> TaskTemplate:
    """A task template: `outputs` by name as SimpleType names, `fields` of BatchJobConfig."""
    task = TaskTemplate(type="batch_job")
    task.custom.update(BatchJobConfig(**fields).to_custom())
    for name, simple in (outputs or {}).items():
        entry = task.interface.outputs.variables.add(key=name)
        entry.value.type.simple = SimpleType.Value(simple)
    return task


class Jobs:
    """The connector, with jobs named by the test."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.connector = BatchJobConnector()

    def start(
        self,
        script: str | None = None,
        *,
        key: str = "a-job",
        inputs: dict[str, Any] | None = None,
        outputs: dict[str, str] | None = None,
        **fields: Any,
    ) -> BatchJobMetadata:
        """Create a job."""
        task = template(outputs, script=script, **fields)
        return self.connector.create(task, "", inputs or {}, idempotency_key=key)

    def end(self, meta: BatchJobMetadata) -> Resource:
        """The job's state once it is terminal."""

        def ended() -> Resource | None:
            resource = self.connector.get(meta)
            return resource if resource.phase in TERMINAL_PHASES else None

        resource: Resource = wait_for(ended)
        return resource

    def run(self, script: str | None = None, **arguments: Any) -> Resource:
        """Create a job and wait for its end."""
        return self.end(self.start(script, **arguments))

    def logs(self, meta: BatchJobMetadata, token: str = "", lines_wanted: int = 0) -> tuple[list[LogLine], str]:
        """The lines of one page, and the next page's token."""
        lines, next_token = [], ""
        for response in self.connector.get_logs(meta, token=token, lines=lines_wanted):
            lines += response.body.lines
            next_token = response.header.token
        return lines, next_token

    def all_logs(self, meta: BatchJobMetadata) -> list[str]:
        """The text of all lines of a job that has ended."""
        texts, token = [], ""
        while True:
            lines, token = self.logs(meta, token)
            texts += [line.message for line in lines]
            if not token:
                return texts

    def job(self, meta: BatchJobMetadata) -> Job:
        """The job's directory."""
        return self.spool.job(meta.job_id)

    def process_id(self, meta: BatchJobMetadata, name: str) -> int:
        """A process id that the job has written."""
        path = Path(self.job(meta).file(f"job/outputs.json.{name}"))
        return int(wait_for(lambda: path.exists() and path.read_text().strip()))
