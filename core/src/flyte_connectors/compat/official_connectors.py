"""Connectors that were written for the official SDK (`flyte.connectors`), hosted unchanged.

`HostedConnector` stands between the contracts: each verb is called as the official service (flyte 2.12)
calls it, and what it answers becomes what the core knows. Imported when the first of them is registered.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_connectors import hookspecs
from flyte_connectors.compat.official_references import as_official, as_ours
from flyte_connectors.compat.official_sdk import MODULE
from flyte_connectors.compat.vendor_statuses import error_of
from flyte_connectors.connector import Resource
from flyte_connectors.errors import ConnectorError, InvalidRequestError, RegistrationError
from flyte_connectors.guard import unforeseen

if TYPE_CHECKING:
    from typing_extensions import Self

_SENT = {
    "create": {"task_template", "output_prefix", "inputs", "task_execution_metadata"},
    "get": {"resource_meta"},
    "delete": {"resource_meta"},
    "get_logs": {"resource_meta", "token"},
    "get_metrics": {"resource_meta"},
}
"""What the official service passes to each verb, besides secrets and configs."""


class UnrepeatableCreateError(ConnectorError):
    """A create has failed that takes no `idempotency_key`: a second try might be a second job."""

    code = "FAILED_PRECONDITION"


@dataclasses.dataclass
class HostedMeta:
    """A meta of the official SDK's, with the names of the outputs that its task declares.

    Official connectors may report outputs beyond those, which is no fault there.

    Attributes:
        official: The connector's own meta.
        outputs: The names; None for a job that the official service has started.
    """

    official_type: ClassVar[Any]

    official: Any
    outputs: list[str] | None

    def encode(self) -> bytes:
        """The names in a line of JSON, then the connector's own bytes."""
        own: bytes = self.official.encode()
        return json.dumps(self.outputs).encode() + b"\n" + own

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read what `encode` wrote, or bare bytes of the connector's own.

        Raises:
            Exception: the connector can't read them.
        """
        names, newline, own = data.partition(b"\n")
        if newline and names.startswith(b"["):
            return cls(_decode(cls.official_type, own), json.loads(names))
        return cls(_decode(cls.official_type, data), None)


class HostedConnector:
    """A connector of the official SDK's, as the core sees it.

    Raises:
        RegistrationError: it has no `metadata_type`.
    """

    def __init__(self, connector: Any) -> None:
        self.__module__ = type(connector).__module__
        self.name = connector.name
        self.task_type_name = getattr(connector, "task_type_name", None)
        self.task_type_version = connector.task_type_version
        self.metadata_type = _meta_type(connector)
        self._verbs = {
            verb: _Verb(verb, getattr(connector, verb), connector.name)
            for verb in _SENT
            if getattr(connector, verb).__module__ != MODULE
        }
        for verb in _SENT.keys() - self._verbs.keys():
            setattr(self, verb, None)  # so it is no hook

    @hookspecs.hookimpl
    async def create(self, **arguments: Any) -> HostedMeta:
        """Start the job."""
        given = {**arguments, "inputs": as_official(arguments["inputs"])}
        meta = await self._verbs["create"].call(given)
        declared = arguments["task_template"].interface.outputs.variables
        return self.metadata_type(meta, [variable.key for variable in declared])

    @hookspecs.hookimpl
    async def get(self, resource_meta: HostedMeta, **arguments: Any) -> Resource:
        """Report its state, with those outputs that the task declares."""
        official = await self._verbs["get"].call(_with(resource_meta, arguments))
        declared = resource_meta.outputs
        outputs = official.outputs and {
            name: as_ours(value)
            for name, value in official.outputs.items()
            if declared is None or name in declared
        }
        return Resource(
            official.phase, official.message, official.log_links, outputs, official.custom_info
        )

    @hookspecs.hookimpl
    async def delete(self, resource_meta: HostedMeta, **arguments: Any) -> None:
        """Cancel it."""
        await self._verbs["delete"].call(_with(resource_meta, arguments))

    @hookspecs.hookimpl
    async def get_logs(self, resource_meta: HostedMeta, **arguments: Any) -> Any:
        """A page of its log."""
        return await self._verbs["get_logs"].call(_with(resource_meta, arguments))

    @hookspecs.hookimpl
    async def get_metrics(self, resource_meta: HostedMeta, **arguments: Any) -> Any:
        """Its metrics."""
        return await self._verbs["get_metrics"].call(_with(resource_meta, arguments))


class _Verb:
    """A verb of an official connector.

    What only this core passes (such as `idempotency_key`) reaches it if its signature names it.
    """

    def __init__(self, name: str, function: Callable[..., Any], connector: str) -> None:
        parameters = inspect.signature(function).parameters
        self._where = f"{name} of {connector}"
        self._function = function
        self._named = frozenset(parameters)
        self._takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        specified = inspect.signature(getattr(hookspecs, name)).parameters
        self._unheard_of = frozenset(specified) - _SENT[name]
        self._creates = name == "create"
        self._is_repeatable = not self._creates or "idempotency_key" in parameters

    async def call(self, arguments: Mapping[str, Any]) -> Any:
        try:
            answer = self._function(**{k: v for k, v in arguments.items() if self._takes(k)})
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            known = error_of(error)
            if known is not None and self._may_raise(known):
                raise known from error
            if self._is_repeatable:
                raise
            text = unforeseen(error, self._where).message
            raise UnrepeatableCreateError(f"{text}; it is not repeated") from error

    def _may_raise(self, error: ConnectorError) -> bool:
        if error.retryable:  # the core would repeat the call
            return self._is_repeatable
        return self._creates or not isinstance(error, InvalidRequestError)

    def _takes(self, name: str) -> bool:
        return name in self._named or (self._takes_all and name not in self._unheard_of)


def _with(meta: HostedMeta, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {**arguments, "resource_meta": meta.official}


def _meta_type(connector: Any) -> type[HostedMeta]:
    official_type = getattr(connector, "metadata_type", None)
    if official_type is None:
        message = f"{connector.name} has no metadata_type: set it to its ResourceMeta class"
        raise RegistrationError(message)
    return type(official_type.__name__, (HostedMeta,), {"official_type": official_type})


def _decode(official_type: Any, data: bytes) -> Any:
    """Read a meta without the fields that another release has added: the SDK's `decode` refuses them."""
    if official_type.decode.__module__ == MODULE:
        known = {field.name for field in dataclasses.fields(official_type)}
        given = json.loads(data).items()
        data = json.dumps({name: value for name, value in given if name in known}).encode()
    return official_type.decode(data)
