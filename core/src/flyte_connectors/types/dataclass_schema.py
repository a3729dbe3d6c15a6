"""The JSON schema of a dataclass as the official SDK writes it: mashumaro's."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import type_name
from flyte_connectors.types.reference_schemas import SCHEMAS


def dataclass_schema(python_type: Any) -> dict[str, Any] | None:
    """Return the schema, None where a type in it has none or holds itself without end."""
    from mashumaro.jsonschema import build_json_schema

    try:
        return build_json_schema(python_type, plugins=[_reference_plugin()]).to_dict()
    except NameError as error:
        raise ConversionError(
            f"{type_name(python_type)} names a type that its module does not define: {error}"
        ) from None
    except (NotImplementedError, RecursionError, TypeError, ValueError):
        return None


@lru_cache(maxsize=1)
def _reference_plugin() -> Any:
    from mashumaro.jsonschema.models import JSONSchema
    from mashumaro.jsonschema.plugins import BasePlugin

    class ReferencePlugin(BasePlugin):
        def get_schema(self, instance: Any, ctx: Any, schema: Any = None) -> Any:  # noqa: ARG002
            described = SCHEMAS.get(instance.type)
            return JSONSchema.from_dict(described) if described else None

    return ReferencePlugin()
