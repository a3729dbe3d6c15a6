"""The connector as the tests use it, and what to wait with."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flyte_connectors.connector import TERMINAL_PHASES, Resource
from flyte_connectors_batch_job import BatchJobConfig, BatchJobConnector, BatchJobMetadata
from flyte_connectors_batch_job.runner.job import Job
from flyte_connectors_batch_job.runner.spool import Spool
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.core.types_pb2 import SimpleType

PATIENCE_SECONDS = 20.0


def wait_for(condition: Callable[[], Any]) -> Any:
    """The first true answer of `condition`, asked again and again for a bounded time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return answer


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

        return wait_for(ended)

    def run(self, script: str | None = None, **arguments: Any) -> Resource:
        """Create a job and wait for its end."""
        return self.end(self.start(script, **arguments))

    def logs(self, meta: BatchJobMetadata, token: str = "", lines: int = 0) -> tuple[Any, str]:
        """The lines of one page, and the next page's token."""
        responses = list(self.connector.get_logs(meta, token=token, lines=lines))
        return [line for part in responses for line in part.body.lines], responses[
            -1
        ].header.token if responses else ""

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
