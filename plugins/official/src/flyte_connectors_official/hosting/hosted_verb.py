"""A verb of a hosted connector, called as the official service calls it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any, NoReturn

from flyte_connectors import hookspecs

from flyte_connectors_official.hosting.failures import HostedConnectorError, error_of_failure

logger = logging.getLogger(__name__)


class HostedVerb:
    """A verb of an official connector.

    Args:
        name: One of `hookspecs.VERBS`.
        function: The connector's own.
        connector: The connector's name.
        sent: What the official service passes to it, besides secrets and configs. What this core
            passes beyond that (such as `idempotency_key`) reaches it if its signature names it.

    Attributes:
        is_repeatable: Whether it may be called again after a fault: a create only if it takes the key.
    """

    def __init__(self, name: str, function: Callable[..., Any], connector: str, sent: Collection[str]) -> None:
        parameters = inspect.signature(function).parameters
        specified = inspect.signature(getattr(hookspecs, name)).parameters
        self.is_async = inspect.iscoroutinefunction(function)
        self._name, self._connector = name, connector
        self._function = function
        self._named = frozenset(parameters)
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self._not_sent = frozenset(specified) - frozenset(sent)
        self.is_repeatable = name != "create" or "idempotency_key" in parameters

    async def call(self, arguments: Mapping[str, Any]) -> Any:
        """What it returns, awaited if need be.

        Raises:
            ConnectorError: the error that its exception maps to.
        """
        try:
            answer = self._function(**self._chosen(arguments))
            if isinstance(answer, AsyncIterator):
                return self._items(answer)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            self._fail(error)

    async def _items(self, answer: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for item in answer:
                yield item
        except Exception as error:
            self._fail(error)

    def call_plain(self, arguments: Mapping[str, Any]) -> Any:
        """What it returns; it may block.

        Raises:
            ConnectorError: the error that its exception maps to.
        """
        try:
            return self._function(**self._chosen(arguments))
        except Exception as error:
            self._fail(error)

    def _chosen(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in arguments.items()
            if name in self._named or (self._takes_all and name not in self._not_sent)
        }

    def _fail(self, error: Exception) -> NoReturn:
        known = error_of_failure(error, self._connector, self._name, repeatable=self.is_repeatable)
        if isinstance(known, HostedConnectorError):
            logger.error("%s of %s failed", self._name, self._connector, exc_info=error)
        raise known from error
