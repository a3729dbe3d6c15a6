"""A verb of a hosted connector, called as the official service calls it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn

from flyte_connectors import hookspecs
from flyte_connectors._calls.guard import unforeseen
from flyte_connectors.errors import (
    ConnectorError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
)
from flyte_connectors.http.statuses import error_of


class UnrepeatableCreateError(CreateOutcomeUnknownError):
    """A create has failed that takes no `idempotency_key`: a second try might be a second job."""


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

    def __init__(
        self, name: str, function: Callable[..., Any], connector: str, sent: Collection[str]
    ) -> None:
        parameters = inspect.signature(function).parameters
        specified = inspect.signature(getattr(hookspecs, name)).parameters
        self.is_async = inspect.iscoroutinefunction(function)
        self._where = f"{name} of {connector}"
        self._function = function
        self._named = frozenset(parameters)
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self._unheard_of = frozenset(specified) - frozenset(sent)
        self._creates = name == "create"
        self.is_repeatable = not self._creates or "idempotency_key" in parameters

    async def call(self, arguments: Mapping[str, Any]) -> Any:
        """What it returns, awaited if need be.

        Raises:
            Exception: its own, or the error that this stands for.
        """
        try:
            answer = self._function(**self._chosen(arguments))
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            self._fail(error)

    def call_plain(self, arguments: Mapping[str, Any]) -> Any:
        """What it returns; it may block.

        Raises:
            Exception: its own, or the error that this stands for.
        """
        try:
            return self._function(**self._chosen(arguments))
        except Exception as error:
            self._fail(error)

    def _chosen(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in arguments.items()
            if name in self._named or (self._takes_all and name not in self._unheard_of)
        }

    def _fail(self, error: Exception) -> NoReturn:
        known = error_of(error)
        if known is not None and self._may_raise(known):
            raise known from error
        if self.is_repeatable:
            raise error
        text = unforeseen(error, self._where).message
        message = f"{text}; it is not repeated"
        raise UnrepeatableCreateError(message) from error

    def _may_raise(self, error: ConnectorError) -> bool:
        if error.retryable:  # the core would repeat the call
            return self.is_repeatable
        return self._creates or not isinstance(error, InvalidRequestError)
