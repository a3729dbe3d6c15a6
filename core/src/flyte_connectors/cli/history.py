"""The history of runs and their jobs, for the commands that take the name of a run.

    <state>/runs/<run>/run.json        the run; locked while its process lives
    <state>/runs/<run>/<action>.json   one of its jobs

A job is written before its first poll, so a laptop that loses power loses no job.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import ConnectorError, InvalidRequestError, JobNotFoundError
from flyte_connectors.io.replacing import replacing
from flyte_connectors.tasks.current_run import STATE_VARIABLE, state_dir

R = TypeVar("R", "JobRecord", "RunRecord")

_RUN_FILE = "run.json"
_LARGEST_INPUTS = 65_536  # bytes


class RunRecord(NamedTuple):
    """A run that was started here.

    Attributes:
        run: Its name; `task` is that of its task.
        started: When it was started, in seconds since 1970.
        phase: How it ended: SUCCEEDED, FAILED or ABORTED; RUNNING while its process lives; empty if
            that died first.
        endpoint: The service that it uses; empty for the connectors of its process.
        module: File or module that defines the task.
    """

    run: str
    task: str
    started: float
    phase: str = ""
    endpoint: str = ""
    module: str = ""


class JobRecord(NamedTuple):
    """A job that was started.

    Attributes:
        run: Name of the run, `action` of the job in it, `task` of the task.
        task_type: Task type and `task_type_version`.
        resource_meta: What its create returned, base64.
        endpoint: The service that hosts its connector; empty for this process.
        module: File or module that defines the task, whose connectors may be needed; empty if
            unknown.
        inputs: Its inputs, `flyteidl2.task.Inputs` in base64; empty if they are large.
    """

    run: str
    action: str
    task: str
    task_type: str
    task_type_version: int
    resource_meta: str
    endpoint: str = ""
    module: str = ""
    inputs: str = ""

    @property
    def category(self) -> pb.TaskCategory:
        """The task category of requests about the job."""
        return pb.TaskCategory(name=self.task_type, version=self.task_type_version)

    @property
    def meta(self) -> bytes:
        """The bytes of requests about the job."""
        return base64.b64decode(self.resource_meta)


@contextlib.contextmanager
def recording(run: str, task: str, *, endpoint: str = "", module: str = "") -> Iterator[None]:
    """Remember a run, and how the block ended: with ABORTED if it was cancelled.

    Raises:
        InvalidRequestError: the state directory can't be written.
    """
    record = RunRecord(run, task, time.time(), endpoint=endpoint, module=module)
    path = _folder(run) / _RUN_FILE
    _write(path, record)
    with path.open() as alive:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(alive, fcntl.LOCK_EX)
        phase = "ABORTED"
        try:
            yield
            phase = "SUCCEEDED"
        except Exception:
            phase = "FAILED"
            raise
        finally:
            _write(path, record._replace(phase=phase))


def save_job(request: pb.CreateTaskRequest, resource_meta: bytes, *, endpoint: str = "", module: str = "") -> JobRecord:
    """Remember a job that was just started."""
    node = request.task_execution_metadata.task_execution_id.node_execution_id
    inputs = request.inputs.SerializeToString()
    record = JobRecord(
        run=node.execution_id.name,
        action=node.node_id,
        task=request.template.id.name,
        task_type=request.template.type,
        task_type_version=request.template.task_type_version,
        resource_meta=base64.b64encode(resource_meta).decode(),
        endpoint=endpoint,
        module=module,
        inputs=base64.b64encode(inputs if len(inputs) <= _LARGEST_INPUTS else b"").decode(),
    )
    _write(_folder(record.run) / f"{record.action}.json", record)
    return record


def find_jobs(run: str) -> Sequence[JobRecord]:
    """The jobs of a run, in the order they were started; none if it has started none so far.

    Raises:
        JobNotFoundError: no run of that name was started here.
    """
    paths = sorted(_folder(run).glob("a*.json"), key=lambda path: int(path.stem[1:]))
    if not paths and not (_folder(run) / _RUN_FILE).is_file():
        message = f"no run named '{run[:100]}' in {state_dir()}; `flyte-connectors runs` lists them"
        raise JobNotFoundError(message)
    return [_read(path, JobRecord) for path in paths]


def is_live(run: str) -> bool:
    """Whether the process of a run is still there."""
    path = _folder(run) / _RUN_FILE
    return path.exists() and _is_locked(path)


def all_runs() -> Sequence[RunRecord]:
    """The runs that were started here, newest first; those that can't be read are left out."""
    found = []
    for folder in (state_dir() / "runs").glob("*"):
        with contextlib.suppress(ConnectorError, OSError):
            found.append(_read_run(folder))
    return sorted(found, key=lambda record: record.started, reverse=True)


def _read_run(folder: pathlib.Path) -> RunRecord:
    path = folder / _RUN_FILE
    if not path.exists():  # written by a release that remembered jobs only
        first = find_jobs(folder.name)[0]
        started = (folder / f"{first.action}.json").stat().st_mtime
        return RunRecord(folder.name, first.task, started, endpoint=first.endpoint, module=first.module)
    record = _read(path, RunRecord)
    return record._replace(phase="RUNNING") if is_live(folder.name) else record


def _is_locked(path: pathlib.Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _write(path: pathlib.Path, record: RunRecord | JobRecord) -> None:
    text = json.dumps(record._asdict(), indent=2) + "\n"
    try:
        with replacing(path, durable=False) as file:
            file.write(text.encode())
    except OSError as error:
        message = f"can't remember the run in {path.parent}: {error.strerror}"
        raise InvalidRequestError(message, field=STATE_VARIABLE) from error


def _read(path: pathlib.Path, kind: type[R]) -> R:
    """The record in a file, also one that a newer release has written."""
    try:
        fields: dict[str, Any] = json.loads(path.read_text())
        return kind(**{name: value for name, value in fields.items() if name in kind._fields})
    except (ValueError, TypeError, AttributeError) as error:
        raise JobNotFoundError(f"{path} is damaged: {error}") from error


def _folder(run: str) -> pathlib.Path:
    return state_dir() / "runs" / pathlib.PurePath(run).name
