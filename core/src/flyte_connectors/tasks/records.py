"""What is remembered about a started job, so that another command can find it again.

One JSON file per job, `<state>/runs/<run>/<action>.json`, written before the first poll: a laptop
that loses power loses no job.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
from typing import TYPE_CHECKING

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import JobNotFoundError
from flyte_connectors.tasks.execution import state_dir

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class JobRecord:
    """A job that was started.

    Attributes:
        run: Name of the run, `action` of the job in it, `task` of the task.
        task_type: Task type and `task_type_version`.
        resource_meta: What its create returned, base64.
        endpoint: The service that hosts its connector; empty for this process.
        module: File or module that defines the task, whose connectors may be needed; empty if
            unknown.
    """

    run: str
    action: str
    task: str
    task_type: str
    task_type_version: int
    resource_meta: str
    endpoint: str = ""
    module: str = ""

    @property
    def category(self) -> pb.TaskCategory:
        """The task category of requests about the job."""
        return pb.TaskCategory(name=self.task_type, version=self.task_type_version)

    @property
    def meta(self) -> bytes:
        """The bytes of requests about the job."""
        return base64.b64decode(self.resource_meta)


def save(
    request: pb.CreateTaskRequest, resource_meta: bytes, *, endpoint: str = "", module: str = ""
) -> JobRecord:
    """Remember a job that was just started."""
    node = request.task_execution_metadata.task_execution_id.node_execution_id
    record = JobRecord(
        run=node.execution_id.name,
        action=node.node_id,
        task=request.template.id.name,
        task_type=request.template.type,
        task_type_version=request.template.task_type_version,
        resource_meta=base64.b64encode(resource_meta).decode(),
        endpoint=endpoint,
        module=module,
    )
    path = _folder(record.run) / f"{record.action}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(dataclasses.asdict(record), indent=2) + "\n")
    draft.replace(path)
    return record


def find(run: str) -> Sequence[JobRecord]:
    """The jobs of a run, in the order they were started.

    Raises:
        JobNotFoundError: no run of that name was started here.
    """
    paths = sorted(_folder(run).glob("a*.json"), key=lambda path: int(path.stem[1:]))
    if not paths:
        message = f"no job of run '{run[:100]}' is remembered in {state_dir()}"
        raise JobNotFoundError(message)
    return [_read(path) for path in paths]


def _read(path: pathlib.Path) -> JobRecord:
    """The record in a file, also one that a newer release has written."""
    known = {field.name for field in dataclasses.fields(JobRecord)}
    try:
        fields = json.loads(path.read_text())
        return JobRecord(**{name: value for name, value in fields.items() if name in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise JobNotFoundError(f"the record {path} is damaged: {error}") from error


def _folder(run: str) -> pathlib.Path:
    return state_dir() / "runs" / pathlib.PurePath(run).name
