"""The base classes of flytekit's connectors: ours, with inputs as a `LiteralMap`."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import flyte_connectors
from flyte_connectors import AsyncConnector, Resource, SyncConnector
from flyte_connectors._registry.table import process_registry
from flyte_connectors.errors import ConnectorNotFoundError

from flyte_connectors_official.flyte_1.agents import agents_of
from flyte_connectors_official.flytekit_names.values import LiteralMap

T = TypeVar("T")

_WITH_LITERALS = ("create", "get", "do")
"""The verbs that take inputs or report outputs."""


class ConnectorBase:
    """What flytekit's two kinds of connectors share.

    Verbs get `inputs` as a `LiteralMap`, and may report one as the outputs of a `Resource`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for verb in _WITH_LITERALS:
            function = vars(cls).get(verb)
            if inspect.isfunction(function):
                setattr(cls, verb, _with_literals(function))


class AsyncConnectorBase(ConnectorBase, AsyncConnector[Any]):
    """An `AsyncConnector`."""


class SyncConnectorBase(ConnectorBase, SyncConnector):
    """A `SyncConnector`."""


def _with_literals(function: Callable[..., Any]) -> Callable[..., Any]:
    """A verb as the core calls it: values in, values or a message out."""
    signature = inspect.signature(function)

    def converted(args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        bound = signature.bind(*args, **kwargs)
        given = bound.arguments.get("inputs")
        if isinstance(given, Mapping):
            template = bound.arguments["task_template"]
            bound.arguments["inputs"] = LiteralMap.of_inputs(template, given)
        return bound

    @functools.wraps(function)
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        bound = converted(args, kwargs)
        return _result(await function(*bound.args, **bound.kwargs))

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        bound = converted(args, kwargs)
        return _result(function(*bound.args, **bound.kwargs))

    return coroutine if inspect.iscoroutinefunction(function) else plain


def _result(result: Any) -> Any:
    if isinstance(result, Resource) and isinstance(result.outputs, LiteralMap):
        result.outputs = result.outputs.to_flyte_idl()
    return result


class ConnectorRegistry(flyte_connectors.ConnectorRegistry):
    """The connectors of this process, listed as Flyte 1's `Agent` messages."""

    @staticmethod
    def list_connectors() -> list[Any]:
        """A `flyteidl.admin.Agent` for each connector."""
        return agents_of(process_registry())

    @staticmethod
    def get_connector_metadata(name: str) -> Any:
        """The `flyteidl.admin.Agent` of one connector.

        Raises:
            ConnectorNotFoundError: no connector has that name.
        """
        agents = {agent.name: agent for agent in agents_of(process_registry())}
        if name not in agents:
            known = ", ".join(sorted(agents)) or "none"
            raise ConnectorNotFoundError(f"no connector is named '{name[:100]}'; known: {known}")
        return agents[name]


def mirror_async_methods(func: Callable[..., Any], **kwargs: Any) -> Awaitable[Any]:
    """An awaitable of a verb's result: of the coroutine function, or of a plain function in a thread.

    Args:
        func: The verb.
        **kwargs: Its arguments.
    """
    if inspect.iscoroutinefunction(func):
        return func(**kwargs)  # type: ignore[no-any-return]
    return asyncio.to_thread(func, **kwargs)
