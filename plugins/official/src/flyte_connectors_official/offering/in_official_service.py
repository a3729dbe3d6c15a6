"""Our connectors in the official SDK's service.

That service imports each entry point of `flyte.connectors`, and then hosts what the SDK's registry holds.
One of these entry points is this module: importing it puts the installed connectors into that registry.
Behind it they run on the same path as in our own service, from the dispatcher down; only its transport,
and how it reads inputs, are the official ones.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.discovery import Status, load_plugins
from flyte_connectors._registry.table import process_registry
from flyte_connectors.bound import BoundConnector
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import secret_names
from flyte_connectors.service.settings import ServiceSettings
from flyte_connectors.types import ConversionError, codec_for_literal_type
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.security_pb2 import Connection
from flyteidl2.core.types_pb2 import LiteralType, SimpleType
from flyteidl2.logs.dataplane.payload_pb2 import LogLine
from flyteidl2.task.common_pb2 import Inputs
from google.protobuf import json_format

from flyte_connectors_official.hosting.official_connectors import HostedConnector
from flyte_connectors_official.official_references import as_ours

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

official: Any = importlib.import_module("flyte.connectors")
engine: Any = importlib.import_module("flyte.types")


@dataclasses.dataclass
class SealedMeta:
    """A resource meta as our own service stores it, so that either service can go on with the job."""

    data: bytes

    def encode(self) -> bytes:
        """The bytes."""
        return self.data

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Take the bytes; the dispatcher reads them."""
        return cls(data)


class OfferedConnector(official.AsyncConnector):  # type: ignore[misc]
    """One of our connectors, as the official service sees it; a sync one answers at its first `get`.

    Args:
        bound: The connector.
        dispatcher: Leads to it.
    """

    metadata_type = SealedMeta

    def __init__(self, bound: BoundConnector, dispatcher: Dispatcher) -> None:
        self.name = bound.name
        self.task_type_name = bound.category.name
        self.task_type_version = bound.category.version
        self._dispatcher = dispatcher
        self._category = pb.TaskCategory(name=bound.category.name, version=bound.category.version)

    async def create(
        self,
        task_template: Any,
        output_prefix: str,
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: Any = None,
        **connection: str,
    ) -> SealedMeta:
        """Start the job."""
        request = pb.CreateTaskRequest(
            template=task_template,
            inputs=_inputs(task_template, inputs or {}),
            output_prefix=output_prefix,
            task_execution_metadata=task_execution_metadata,
            connection=_connection(connection, secret_names(task_template.custom)),
        )
        return SealedMeta((await self._dispatcher.create(request)).resource_meta)

    async def get(self, resource_meta: SealedMeta, **connection: str) -> Any:
        """Report its state."""
        request = pb.GetTaskRequest(
            **self._address(resource_meta), connection=self._connection(resource_meta, connection)
        )
        resource = (await self._dispatcher.get(request)).resource
        return official.Resource(
            phase=resource.phase,
            message=resource.message,
            log_links=list(resource.log_links),
            outputs={output.name: output.value for output in resource.outputs.literals} or None,
            custom_info=json_format.MessageToDict(resource.custom_info),
        )

    async def delete(self, resource_meta: SealedMeta, **connection: str) -> None:
        """Cancel it."""
        request = pb.DeleteTaskRequest(
            **self._address(resource_meta), connection=self._connection(resource_meta, connection)
        )
        await self._dispatcher.delete(request)

    async def get_metrics(self, resource_meta: SealedMeta, **_: Any) -> Any:
        """Report its metrics; the official service passes no query."""
        request = pb.GetTaskMetricsRequest(**self._address(resource_meta))
        return await self._dispatcher.get_metrics(request)

    async def get_logs(self, resource_meta: SealedMeta, token: str = "", **_: Any) -> AsyncIterator[Any]:
        """Yield a page of its log; the official service passes no number of lines."""
        request = pb.GetTaskLogsRequest(**self._address(resource_meta), token=token)
        async for item in self._dispatcher.get_logs(request):
            is_line = isinstance(item, LogLine)
            yield pb.GetTaskLogsResponse(body={"lines": [item]}) if is_line else item

    def _address(self, meta: SealedMeta) -> dict[str, Any]:
        return {"resource_meta": meta.data, "task_category": self._category}

    def _connection(self, meta: SealedMeta, values: Mapping[str, str]) -> Connection | None:
        return _connection(values, unseal(meta.data, self.task_type_name).secrets)


class _LiteralTransformer(engine.TypeTransformer):  # type: ignore[misc]
    """Lets literals, which are typed as the task declares, pass the SDK's typing by value."""

    def __init__(self) -> None:
        super().__init__("literal of flyte-connectors", Literal)

    def get_literal_type(self, _: Any) -> LiteralType:
        return LiteralType(simple=SimpleType.NONE)

    async def to_literal(self, value: Literal, *_: Any) -> Literal:
        return value

    async def to_python_value(self, literal: Literal, _: Any) -> Literal:
        return literal


def offer() -> None:
    """Put what is installed, or registered in this process, into the SDK's registry, if it is not there.

    Call it where connectors are registered after this module was imported.
    """
    registry = process_registry()
    for report in load_plugins(registry):
        if report.status is Status.FAILED:
            logger.warning("%s (%s): %s", report.entry_point, report.source, report.reason)
    for bound in set(registry) - _offered:
        _offered.add(bound)
        if isinstance(bound.plugin, HostedConnector):
            continue
        try:
            official.ConnectorRegistry.register(OfferedConnector(bound, _dispatcher))
        except ValueError as error:
            logger.warning("%s is left out: %s", bound, error)


def _inputs(template: Any, values: Mapping[str, Any]) -> Inputs:
    """Native inputs as the messages that the task declares."""
    inputs = Inputs()
    for variable in template.interface.inputs.variables:
        if variable.key in values:
            try:
                codec = codec_for_literal_type(variable.value.type)
                literal = codec.encode(as_ours(values[variable.key]))
            except ConversionError as error:
                raise InvalidRequestError(str(error), field=f"inputs.{variable.key}") from None
            inputs.literals.add(name=variable.key, value=literal)
    return inputs


def _connection(values: Mapping[str, str], secrets: Mapping[str, str]) -> Connection | None:
    """What the official service has merged: the task names its secrets, the rest are configs."""
    if not values:
        return None
    return Connection(
        secrets={name: value for name, value in values.items() if name in secrets},
        configs={name: value for name, value in values.items() if name not in secrets},
    )


_dispatcher = Dispatcher(
    process_registry(),
    CallGuard(),
    faults=TransientFaults(lost_after=ServiceSettings().lost_after),
)
_offered: set[BoundConnector] = set()

engine.TypeEngine.register(_LiteralTransformer())
offer()
