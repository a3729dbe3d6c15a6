"""What a task asks for, and its way through the task template's `custom`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

MOST_SAMPLES = 4096


@dataclasses.dataclass(frozen=True)
class RenderConfig:
    """What Render shall do.

    Args:
        samples: Rays for each pixel, from 1 to 4096.
        api_key: Name of the secret that holds the API key; None for none.
    """

    samples: int = 64
    api_key: str | None = None

    def to_custom(self) -> dict[str, Any]:
        """The fields as JSON. The core turns `secrets` into arguments of the verbs."""
        custom: dict[str, Any] = {"samples": self.samples}
        if self.api_key is not None:
            custom["secrets"] = {"api_key": self.api_key}
        return custom

    @classmethod
    def from_custom(cls, custom: Struct) -> RenderConfig:
        """Read what `to_custom` wrote, or a user wrote by hand.

        Raises:
            InvalidRequestError: A field is unknown or wrong; the error names it.
        """
        fields = dict(custom.items())
        if unknown := fields.keys() - {"samples", "secrets"}:
            raise InvalidRequestError("unknown; there is samples", field=f"custom.{min(unknown)}")
        samples = fields.get("samples", 64.0)
        if not isinstance(samples, float) or samples not in range(1, MOST_SAMPLES + 1):
            message = f"{samples!r} must be a whole number from 1 to {MOST_SAMPLES}"
            raise InvalidRequestError(message, field="custom.samples")
        return cls(samples=int(samples))
