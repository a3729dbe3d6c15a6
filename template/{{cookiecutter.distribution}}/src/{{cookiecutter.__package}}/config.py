"""What a task asks for, and its way through the task template's `custom`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

MOST_REPEATS = 1000


@dataclasses.dataclass(frozen=True)
class {{ cookiecutter.__class }}Config:
    """What {{ cookiecutter.service }} shall do.

    Args:
        repeat: How often to say the text, 1 to 1000 times.
        api_token: Name of the secret that holds the API token; None for none.
    """

    repeat: int = 1
    api_token: str | None = None

    def to_custom(self) -> dict[str, Any]:
        """The fields as JSON. The core turns `secrets` into arguments of the verbs."""
        custom: dict[str, Any] = {"repeat": self.repeat}
        if self.api_token is not None:
            custom["secrets"] = {"api_token": self.api_token}
        return custom

    @classmethod
    def from_custom(cls, custom: Struct) -> {{ cookiecutter.__class }}Config:
        """Read what `to_custom` wrote, or a user wrote by hand.

        Raises:
            InvalidRequestError: A field is unknown or wrong; the error names it.
        """
        fields = dict(custom.items())
        if unknown := fields.keys() - {"repeat", "secrets"}:
            raise InvalidRequestError("unknown; there is repeat", field=f"custom.{min(unknown)}")
        repeat = fields.get("repeat", 1.0)
        if not isinstance(repeat, float) or repeat not in range(1, MOST_REPEATS + 1):
            message = f"{repeat!r} must be a whole number from 1 to {MOST_REPEATS}"
            raise InvalidRequestError(message, field="custom.repeat")
        return cls(repeat=int(repeat))
