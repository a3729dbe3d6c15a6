"""Connectors that were written for flytekit (`flytekit.extend.backend`), hosted unchanged.

`HostedFlytekitConnector` calls each verb as flytekit's service (1.16) does: with flytekit's models, plain
functions in threads. The messages of Flyte 1 and 2 have the same fields under the same numbers, so one
side's bytes are read as the other's. Imported when the first of them is registered.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import Resource
from flyte_connectors.hookspecs import hookimpl
from flyte_connectors.types import codec_for_literal_type
from flyteidl2.connector import connector_pb2
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.core.literals_pb2 import Literal

from flyte_connectors_official.hosting.hosted_meta import HostedMeta, meta_type_of
from flyte_connectors_official.hosting.hosted_verb import HostedVerb
from flyte_connectors_official.hosting.official_sdk import FLYTEKIT

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate

Arguments = Mapping[str, Any]
Write = Callable[[Any, Arguments], Awaitable[Any]]
"""Makes what the core knows of what a connector answers to arguments."""

_TASK = ("task_template", "output_prefix", "inputs")
_SENT = {
    "create": (*_TASK, "task_execution_metadata"),
    "get": ("resource_meta",),
    "delete": ("resource_meta",),
    "get_logs": ("resource_meta",),
    "get_metrics": ("resource_meta",),
    "do": _TASK,
}
"""What flytekit's service passes to each verb."""


class HostedFlytekitConnector:
    """A connector of flytekit's, as the core sees it.

    Raises:
        RegistrationError: it is asynchronous, and has no `metadata_type`.
    """

    def __init__(self, connector: Any) -> None:
        self.__module__ = type(connector).__module__
        self.name = connector.name
        self.task_type_name = connector.task_category.name
        self.task_type_version = connector.task_category.version
        if not hasattr(connector, "do"):
            self.metadata_type = meta_type_of(connector)
        for verb, sent in _SENT.items():
            function = getattr(connector, verb, None)
            if function is not None and function.__module__ != FLYTEKIT:
                hosted = HostedVerb(verb, function, self.name, sent)
                setattr(self, verb, self._hook(hosted, verb))
                if verb == "create":
                    stated = getattr(connector, "repeatable_create", None)
                    self.repeatable_create = hosted.is_repeatable if stated is None else stated

    def _hook(self, hosted: HostedVerb, verb: str) -> Callable[..., Any]:
        """A hook of the same kind, coroutine or plain function, as the connector's own."""
        read = _task if verb in ("create", "do") else _job
        write: Write = self._meta if verb == "create" else _WRITE[verb]

        @hookimpl
        async def coroutine(**arguments: Any) -> Any:
            return await write(await hosted.call(read(arguments)), arguments)

        @hookimpl
        def plain(**arguments: Any) -> Any:
            return write(hosted.call_plain(read(arguments)), arguments)  # the guard awaits it

        return coroutine if hosted.is_async else plain

    async def _meta(self, official: Any, arguments: Arguments) -> Any:
        return self.metadata_type.of(official, arguments["task_template"])


def _task(arguments: Arguments) -> dict[str, Any]:
    """The arguments of a verb that gets a task, with flytekit's models."""
    template = arguments["task_template"]
    models, literals = _module("models.task"), _module("models.literals")
    tasks_pb2 = importlib.import_module("flyteidl.core.tasks_pb2")
    agent_pb2 = importlib.import_module("flyteidl.admin.agent_pb2")
    inputs = _literals(template, arguments["inputs"])
    return {
        **arguments,
        "task_template": models.TaskTemplate.from_flyte_idl(_as(tasks_pb2.TaskTemplate, template)),
        "inputs": literals.LiteralMap.from_flyte_idl(inputs),
        "task_execution_metadata": models.TaskExecutionMetadata.from_flyte_idl(
            _as(agent_pb2.TaskExecutionMetadata, arguments["task_execution_metadata"])
        ),
    }


def _literals(template: TaskTemplate, inputs: Mapping[str, Any]) -> Any:
    """Inputs as the `LiteralMap` message of Flyte 1."""
    literals = importlib.import_module("flyteidl.core.literals_pb2").LiteralMap()
    for variable in template.interface.inputs.variables:
        literal = codec_for_literal_type(variable.value.type).encode(inputs[variable.key])
        literals.literals[variable.key].ParseFromString(literal.SerializeToString())
    return literals


def _job(arguments: Arguments) -> dict[str, Any]:
    return {**arguments, "resource_meta": arguments["resource_meta"].official}


async def _resource(official: Any, arguments: Arguments) -> Resource:
    """What it reports, with those outputs that the task declares."""
    given = official.outputs
    if given is not None and not isinstance(given, Mapping):
        given = given.literals  # a LiteralMap of flytekit's
    meta = arguments.get("resource_meta") or HostedMeta.of(None, arguments["task_template"])
    outputs = given and {name: await _value(value) for name, value in given.items() if meta.declares(name)}
    links = [_as(TaskLog, link) for link in official.log_links or ()]
    return Resource(official.phase, official.message, links, outputs, official.custom_info)


async def _value(value: Any) -> Any:
    """An output as the core takes it: flytekit's own values (files, tables, literals) as literals."""
    if not type(value).__module__.startswith("flytekit."):
        return value
    if isinstance(value, _module("models.literals").Literal):
        return _as(Literal, value.to_flyte_idl())
    engine = _module("core.type_engine").TypeEngine
    context = _module("core.context_manager").FlyteContextManager.current_context()
    literals = await engine.dict_to_literal_map_pb(context, {"value": value})
    return _as(Literal, literals.literals["value"])


def _message_as(message_type: Any) -> Write:
    async def converted(message: Any, _: Arguments) -> Any:
        return _as(message_type, message)

    return converted


async def _nothing(_: Any, __: Arguments) -> None:
    pass


_WRITE: dict[str, Write] = {
    "get": _resource,
    "delete": _nothing,
    "get_logs": _message_as(connector_pb2.GetTaskLogsResponse),
    "get_metrics": _message_as(connector_pb2.GetTaskMetricsResponse),
    "do": _resource,
}


def _as(message_type: Any, message: Any) -> Any:
    return message_type.FromString(message.SerializeToString())


def _module(name: str) -> Any:
    return importlib.import_module(f"flytekit.{name}")
