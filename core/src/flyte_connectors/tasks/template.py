"""A task and its protobuf form."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flyteidl2.core import identifier_pb2, security_pb2, tasks_pb2

from flyte_connectors.secrets import Secret
from flyte_connectors.tasks.calls import call_task
from flyte_connectors.tasks.interface import NativeInterface

if TYPE_CHECKING:
    from flyte_connectors.tasks.resources import Resources


@dataclasses.dataclass(frozen=True)
class SerializationContext:
    """Where and under which version a task is being serialized.

    Args:
        version: Version of the task.
        project: Flyte project, `domain` and `org` likewise.
        root_dir: Folder that the code lies in.
        input_path: Where the inputs will be; `output_path` likewise. The defaults are filled in by
            Flyte's back end.
    """

    version: str = "local"
    project: str = ""
    domain: str = ""
    org: str = ""
    root_dir: pathlib.Path | None = None
    input_path: str = "{{.input}}"
    output_path: str = "{{.outputPrefix}}"


class TaskTemplate:
    """A task: a name, an interface, and the task type that decides who runs it.

    Subclasses add what their task type needs by overriding `custom_config`, `config`, `sql` and
    `container_args`, and how it runs locally by overriding `execute` (see
    `AsyncConnectorExecutorMixin`).

    Args:
        name: Name of the task.
        interface: Its inputs and outputs.
        task_type: What the back end routes by; each is served by one connector.
        task_type_version: Version of the task type.
        image: Image of the task's container; None for tasks that a connector runs.
        resources: What its container asks for.
        retries: New attempts after a retryable failure.
        timeout: Longest time of one attempt, in seconds or as a timedelta.
        env_vars: Environment of its container.
        secrets: Secrets that the back end mounts.
        cache: Whether Flyte may reuse outputs, under `cache_version`.
        cache_version: Version of the cached outputs.
        interruptible: Whether it may run on machines that can vanish.
    """

    def __init__(  # noqa: PLR0913  (a task has these properties in Flyte's own model)
        self,
        name: str,
        interface: NativeInterface,
        task_type: str = "python",
        task_type_version: int = 0,
        *,
        image: Any = None,
        resources: Resources | None = None,
        retries: int = 0,
        timeout: float | datetime.timedelta | None = None,
        env_vars: Mapping[str, str] | None = None,
        secrets: Iterable[Secret] = (),
        cache: bool = False,
        cache_version: str = "",
        interruptible: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.interface = interface
        self.task_type = task_type
        self.task_type_version = task_type_version
        self.image = image
        self.resources = resources
        self.retries = retries
        self.timeout = timeout
        self.env_vars = dict(env_vars or {})
        self.secrets = tuple(secrets)
        self.cache = cache
        self.cache_version = cache_version
        self.interruptible = interruptible

    @property
    def native_interface(self) -> NativeInterface:
        """The interface, by the official SDK's name for it."""
        return self.interface

    @property
    def timeout_seconds(self) -> float | None:
        """The timeout in seconds."""
        limit = self.timeout
        return limit.total_seconds() if isinstance(limit, datetime.timedelta) else limit

    def custom_config(self, sctx: SerializationContext) -> Mapping[str, Any] | None:  # noqa: ARG002
        """What the connector reads from `TaskTemplate.custom`."""
        return None

    def config(self, sctx: SerializationContext) -> Mapping[str, str]:  # noqa: ARG002
        """What the connector reads from `TaskTemplate.config`."""
        return {}

    def sql(self, sctx: SerializationContext) -> str | tasks_pb2.Sql | None:  # noqa: ARG002
        """The task's SQL statement, if that is what it is."""
        return None

    def container_args(self, sctx: SerializationContext) -> list[str]:  # noqa: ARG002
        """Arguments of the task's container, if it has one."""
        return []

    async def execute(self, **kwargs: Any) -> Any:
        """Run the task with bound inputs; the outputs are one value or a named tuple."""
        message = f"{type(self).__name__} can't run here: inherit from an executor mixin"
        raise NotImplementedError(message)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task: the outputs, or an awaitable of them where an event loop is running."""
        return call_task(self.execute, self.interface.bind(self.name, args, kwargs))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.name}' of type '{self.task_type}'>"

    def to_proto(self, sctx: SerializationContext | None = None) -> tasks_pb2.TaskTemplate:
        """The task as `flyteidl2.core.TaskTemplate`.

        Its `custom` is never empty: the back end can't create a task without one.

        Raises:
            InvalidRequestError: a type of the interface has no form in Flyte.
        """
        sctx = sctx or SerializationContext()
        message = tasks_pb2.TaskTemplate(
            id=identifier_pb2.Identifier(
                resource_type=identifier_pb2.ResourceType.TASK,
                org=sctx.org,
                project=sctx.project,
                domain=sctx.domain,
                name=self.name,
                version=sctx.version,
            ),
            type=self.task_type,
            task_type_version=self.task_type_version,
            metadata=self._metadata(),
            interface=self.interface.to_proto(),
            config=self.config(sctx),
        )
        message.custom.update(self.custom_config(sctx) or {"connector": True})
        sql = self.sql(sctx)
        if sql is not None:
            message.sql.CopyFrom(tasks_pb2.Sql(statement=sql) if isinstance(sql, str) else sql)
        elif self.image is not None:
            message.container.CopyFrom(self._container(sctx))
        for secret in self.secrets:
            message.security_context.secrets.add(
                group=secret.group or "",
                key=secret.key,
                env_var=secret.as_env_var or "",
                mount_requirement=security_pb2.Secret.ENV_VAR,
            )
        return message

    def _metadata(self) -> tasks_pb2.TaskMetadata:
        metadata = tasks_pb2.TaskMetadata(
            discoverable=self.cache,
            discovery_version=self.cache_version,
            interruptible=self.interruptible,
        )
        metadata.runtime.type = tasks_pb2.RuntimeMetadata.FLYTE_SDK
        metadata.runtime.flavor = "python"
        metadata.retries.retries = self.retries
        if self.timeout_seconds:
            metadata.timeout.FromTimedelta(datetime.timedelta(seconds=self.timeout_seconds))
        return metadata

    def _container(self, sctx: SerializationContext) -> tasks_pb2.Container:
        container = tasks_pb2.Container(image=str(self.image), args=self.container_args(sctx))
        for name, value in self.env_vars.items():
            container.env.add(key=name, value=value)
        if self.resources is not None:
            container.resources.CopyFrom(self.resources.to_proto())
        return container
