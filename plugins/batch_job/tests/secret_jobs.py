"""Jobs with a secret that they tell to everyone, by the call path of the service."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from flyte_connectors import TaskEnvironment
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.discovery import load_plugins
from flyte_connectors._registry.table import Registry
from flyte_connectors.connector import TERMINAL_PHASES
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.tasks_pb2 import TaskTemplate

from flyte_connectors_batch_job import BatchJobConfig

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECRET = "correct-horse/battery+staple"
NAMES = {"PASSWORD": "db-password"}
TELLS = 'echo "stdout $PASSWORD"; echo "stderr $PASSWORD" >&2; exit 3'

_CATEGORY = pb.TaskCategory(name="batch_job", version=0)
_SECONDS = 60


def give_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service have the secret."""
    monkeypatch.setenv("FLYTE_SECRET_DB_PASSWORD", SECRET)


def telling_function(**fields: object) -> TaskTemplate:
    """A function that tells its secret."""
    from etl import jobs as etl

    config = BatchJobConfig(secrets=NAMES, timeout_seconds=60, **fields)  # type: ignore[arg-type]
    return TaskEnvironment("etl", plugin_config=config).task(etl.telling.function).to_proto()


class Told:
    """What the service says of a job, from its begin to its end."""

    def __init__(self, template: TaskTemplate, prefix: Path, key: str, **inputs: str) -> None:
        asyncio.run(self._run(template, str(prefix), key, inputs))

    async def _run(self, template: TaskTemplate, prefix: str, key: str, inputs: dict[str, str]) -> None:
        registry = Registry()
        load_plugins(registry)
        service = Dispatcher(registry, CallGuard())
        request = pb.CreateTaskRequest(template=template, output_prefix=prefix)
        for name, text in inputs.items():
            entry = request.inputs.literals.add(name=name)
            entry.value.scalar.primitive.string_value = text
        execution = request.task_execution_metadata.task_execution_id
        execution.node_execution_id.node_id = "a0"
        execution.node_execution_id.execution_id.name = key
        self.meta = (await service.create(request)).resource_meta
        poll = pb.GetTaskRequest(resource_meta=self.meta, task_category=_CATEGORY)
        for _ in range(_SECONDS * 10):
            self.resource = (await service.get(poll)).resource
            if self.resource.phase in TERMINAL_PHASES:
                break
            await asyncio.sleep(0.1)
        logs = pb.GetTaskLogsRequest(resource_meta=self.meta, task_category=_CATEGORY)
        self.lines = [line.message async for page in service.get_logs(logs) for line in page.body.lines]

    @property
    def everything(self) -> str:
        """All of it as text."""
        return f"{self.meta!r} {self.resource} {self.lines}"


def holders(folder: Path) -> list[Path]:
    """Files below a folder that have the secret in them."""
    found = []
    for current, _, names in os.walk(folder):
        for name in names:
            path = folder.__class__(current, name)
            if path.is_file() and not path.is_symlink() and SECRET.encode() in _written(path):
                found.append(path)
    return found


def _written(path: Path) -> bytes:
    """What was written to a file, without its holes: jobs of other tests leave sparse files of many gigabytes."""
    written, end = b"", 0
    with path.open("rb") as file, contextlib.suppress(OSError):  # no data follow
        while True:
            begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
            end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            written += os.pread(file.fileno(), end - begin, begin)
    return written
