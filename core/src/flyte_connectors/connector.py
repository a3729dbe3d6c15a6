"""The authoring classes: what a connector author subclasses and returns.

    class MyConnector(AsyncConnector):        or SyncConnector, for work that answers at once
        name = "My Connector"
        task_type_name = "my_task"
        metadata_type = MyMeta                a ResourceMeta dataclass

What the verbs receive and must do is written in `flyte_connectors.hookspecs`. An implementation
declares the arguments that it uses, and secrets, by name. That is why the verbs here end in
`*_: Any, **kwargs: Any`: type checkers let an override declare other arguments in that place.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import AsyncIterable, Awaitable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, Union

from flyte_connectors import _meta_codec

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse
    from flyteidl2.core.execution_pb2 import TaskLog
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine
    from typing_extensions import Self

T = TypeVar("T")
MaybeAwaitable = Union[T, Awaitable[T]]  # noqa: UP007  (evaluated on Python 3.10)


class Phase(enum.IntEnum):
    """Phases of a job, the numbers of `flyteidl2.core.TaskExecution.Phase`."""

    UNDEFINED = 0
    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    ABORTED = 4
    FAILED = 5
    INITIALIZING = 6
    WAITING_FOR_RESOURCES = 7
    RETRYABLE_FAILED = 8


TERMINAL_PHASES: frozenset[int] = frozenset({Phase.SUCCEEDED, Phase.ABORTED, Phase.FAILED, Phase.RETRYABLE_FAILED})
"""Phases that end an attempt: Flyte never polls such a job again."""


@dataclasses.dataclass(frozen=True)
class TaskCategory:
    """The key of routing: each task type and version is served by exactly one connector."""

    name: str
    version: int = 0

    def __str__(self) -> str:
        return f"'{self.name}' version {self.version}"


@dataclasses.dataclass
class ResourceMeta:
    """What identifies an external job: a small dataclass that Flyte stores between the calls.

    Subclasses list their fields under the `@dataclass` decorator; where that is missing, it is made up
    for when the connector is registered. Fields may be of any type that JSON can carry, nested
    dataclasses, enums, datetimes and bytes included.
    """

    def encode(self) -> bytes:
        """The fields as UTF-8 JSON."""
        return _meta_codec.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote, by this or any other release.

        Unknown fields are ignored and missing ones take their defaults, so that replicas of two
        releases can serve each other's jobs during a rolling upgrade or a rollback.

        Raises:
            ValueError: `data` is not a JSON object, or lacks a field without a default.
        """
        return _meta_codec.decode(cls, data)


@dataclasses.dataclass
class Resource:
    """The state of a job as `get` or `do` reports it.

    Args:
        phase: One of `Phase`, or the same number from `TaskExecution.Phase`.
        message: One line about the state. Flyte shows it while QUEUED, WAITING_FOR_RESOURCES and
            INITIALIZING, and when FAILED.
        log_links: Links that Flyte's console shows beside the task.
        outputs: Output values by name, typed by the task's interface; or a
            `flyteidl2.core.LiteralMap`. None leaves the outputs to `<output_prefix>/outputs.pb`.
        custom_info: JSON-like details for people who inspect the execution. `progress`, if present, is the
            fraction of the job that is done, from 0 to 1.
    """

    phase: int
    message: str | None = None
    log_links: list[TaskLog] | None = None
    outputs: Mapping[str, Any] | Any | None = None
    custom_info: Mapping[str, Any] | None = None


if TYPE_CHECKING:
    import typing_extensions  # slow to import, and needed only to say what a bare AsyncConnector is

    M = typing_extensions.TypeVar("M", bound=ResourceMeta, default=Any)
else:
    M = TypeVar("M", bound=ResourceMeta)


class _Connector:
    """What both kinds share: identity, given as class attributes or to `__init__`."""

    name: str = ""
    task_type_name: str
    task_type_version: int = 0
    shared_directory_variable: str = ""
    """The environment variable for the directory of its jobs, if they live on the service's own disk:
    all replicas of a service have to share it. Where they do, `<variable>_SHARED=true` is set beside it."""
    jobs_run_as_service_user: bool = False
    """Whether its jobs are processes of the service's own user: they can read what that user can."""

    def __init__(
        self,
        *,
        task_type_name: str | None = None,
        task_type_version: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if task_type_name is not None:
            self.task_type_name = task_type_name
        if task_type_version is not None:
            self.task_type_version = task_type_version

    @property
    def task_category(self) -> TaskCategory:
        """The task type and version that this connector serves."""
        return TaskCategory(self.task_type_name, self.task_type_version)


class AsyncConnector(_Connector, Generic[M]):
    """A connector for jobs that run somewhere else for longer than a call may take.

    Implement `create`, `get` and `delete`; `get_many`, `get_logs` and `get_metrics` are optional. Each may
    be `async def` or a plain `def`. See `flyte_connectors.hookspecs` for the rules.

    A subclass may set `repeatable_create`: True or False, or a plain method `(self, task_template) -> bool`
    where it depends on the task. It says whether `create` may be called twice for one idempotency key;
    unset, it may if it takes `idempotency_key`.
    """

    metadata_type: type[M]
    min_poll_interval: float = 0.0
    """Seconds for which the core may answer from the latest `get_many` instead of asking again."""

    def __init__(self, *, metadata_type: type[M] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if metadata_type is not None:
            self.metadata_type = metadata_type

    def create(self, task_template: TaskTemplate, *_: Any, **kwargs: Any) -> MaybeAwaitable[M]:
        """Start the job. See `flyte_connectors.hookspecs.create`.

        Args:
            task_template: The task; what its author configured is in `task_template.custom`.
            **kwargs: `output_prefix: str`, `inputs: dict[str, Any]`,
                `task_execution_metadata: TaskExecutionMetadata`, `idempotency_key: str`, secrets.
        """
        _unwritten(self, "create")

    def get(self, resource_meta: M, *_: Any, **kwargs: Any) -> MaybeAwaitable[Resource]:
        """Report the job's state. See `flyte_connectors.hookspecs.get`.

        Args:
            resource_meta: What `create` returned.
            **kwargs: `output_prefix: str`, secrets.
        """
        _unwritten(self, "get")

    def get_many(
        self, resource_metas: Sequence[M], *_: Any, **kwargs: Any
    ) -> MaybeAwaitable[Sequence[Resource | BaseException]]:
        """Report the states of many jobs; optional. See `flyte_connectors.hookspecs.get_many`.

        Args:
            resource_metas: What `create` returned, for each job.
            **kwargs: `output_prefixes: Sequence[str]`, secrets.
        """
        _unwritten(self, "get_many")

    def delete(self, resource_meta: M, *_: Any, **kwargs: Any) -> MaybeAwaitable[None]:
        """Cancel the job. See `flyte_connectors.hookspecs.delete`.

        Args:
            resource_meta: What `create` returned.
            **kwargs: Secrets.
        """
        _unwritten(self, "delete")

    def get_metrics(self, resource_meta: M, *_: Any, **kwargs: Any) -> MaybeAwaitable[GetTaskMetricsResponse]:
        """Report the job's metrics. See `flyte_connectors.hookspecs.get_metrics`.

        Args:
            resource_meta: What `create` returned.
            **kwargs: `queries: list[str]`, `start_time: datetime | None`,
                `end_time: datetime | None`, `step: timedelta | None`, secrets.
        """
        _unwritten(self, "get_metrics")

    def get_logs(
        self, resource_meta: M, *_: Any, **kwargs: Any
    ) -> MaybeAwaitable[
        AsyncIterable[GetTaskLogsResponse | LogLine] | Iterator[GetTaskLogsResponse | LogLine] | GetTaskLogsResponse
    ]:
        """Yield a page of log lines. See `flyte_connectors.hookspecs.get_logs`.

        Args:
            resource_meta: What `create` returned.
            **kwargs: `token: str`, `lines: int`, secrets.
        """
        _unwritten(self, "get_logs")


class SyncConnector(_Connector):
    """A connector for work that answers within the call. Implement `do`."""

    def do(self, task_template: TaskTemplate, *_: Any, **kwargs: Any) -> MaybeAwaitable[Resource]:
        """Do the work. See `flyte_connectors.hookspecs.do`.

        Args:
            task_template: The task; what its author configured is in `task_template.custom`.
            **kwargs: `output_prefix: str`, `inputs: dict[str, Any]`,
                `task_execution_metadata: TaskExecutionMetadata`, `idempotency_key: str`, secrets.
        """
        _unwritten(self, "do")


def _unwritten(connector: object, verb: str) -> NoReturn:
    raise NotImplementedError(f"{type(connector).__name__} does not implement {verb}")
