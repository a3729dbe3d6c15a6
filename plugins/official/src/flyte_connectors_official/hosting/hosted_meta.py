"""The metas of hosted connectors: their own, and what the core has to remember beside them."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_connectors.errors import RegistrationError

from flyte_connectors_official.hosting.official_sdk import MODULES

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from typing_extensions import Self


@dataclasses.dataclass
class HostedMeta:
    """A meta of an official SDK's, with the names of the outputs that its task declares.

    Official connectors may report outputs beyond those, which their own service accepts.

    Attributes:
        official: The connector's own meta.
        outputs: The names; None for a job that the official service has started.
    """

    official_type: ClassVar[Any]

    official: Any
    outputs: list[str] | None

    @classmethod
    def of(cls, official: Any, task_template: TaskTemplate) -> Self:
        """The meta of a job that was just started for a task."""
        declared = task_template.interface.outputs.variables
        return cls(official, [variable.key for variable in declared])

    def declares(self, output: str) -> bool:
        """Whether the task declares an output of this name, as far as that is known."""
        return self.outputs is None or output in self.outputs

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


def meta_type_of(connector: Any) -> type[HostedMeta]:
    """The class for the metas of a connector.

    Raises:
        RegistrationError: it has no `metadata_type`.
    """
    official_type = getattr(connector, "metadata_type", None)
    if official_type is None:
        message = f"{connector.name} has no metadata_type: set it to its ResourceMeta class"
        raise RegistrationError(message)
    return type(official_type.__name__, (HostedMeta,), {"official_type": official_type})


def _decode(official_type: Any, data: bytes) -> Any:
    """Read a meta without the fields that another release has added: the SDK's `decode` refuses them."""
    if official_type.decode.__module__ in MODULES:
        known = {field.name for field in dataclasses.fields(official_type)}
        given = json.loads(data).items()
        data = json.dumps({name: value for name, value in given if name in known}).encode()
    return official_type.decode(data)
