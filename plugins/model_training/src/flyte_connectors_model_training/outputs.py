"""The declared outputs of a training: where each is found in what the platform says, and of which type."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flyte_connectors.errors import InvalidRequestError
from flyteidl2.core.types_pb2 import SimpleType

from flyte_connectors_model_training.paths import at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.core.interface_pb2 import VariableMap
    from flyteidl2.core.types_pb2 import LiteralType

    from flyte_connectors_model_training.training_api import TrainingApi

_SIMPLE = {SimpleType.FLOAT: "float", SimpleType.INTEGER: "int", SimpleType.STRING: "str"}


def plain(kept: Mapping[str, Any]) -> dict[str, str]:
    """Answer the outputs of a task that declares none itself, by the configuration in its job's meta."""
    return {"results": f"file:{kept.get('api', {}).get('results', 'results')}"}


def declared(variables: VariableMap, api: TrainingApi) -> dict[str, str]:
    """Answer for each output its type and where it is found, such as `file:results`.

    Args:
        variables: The outputs of the task's interface.
        api: Where the service has them.

    Raises:
        InvalidRequestError: An output is of a type that a training does not have, or is found nowhere.
    """
    found = {}
    for entry in variables.variables:
        kind = _kind(entry.key, entry.value.type)
        path = api.outputs.get(entry.key) or _usual_path(entry.key, kind, api)
        if not path:
            message = f"unknown: set TrainingApi.outputs[{entry.key!r}] to the field that has it"
            raise InvalidRequestError(message, field=f"outputs.{entry.key}")
        found[entry.key] = f"{kind}:{path}"
    return found


def _usual_path(name: str, kind: str, api: TrainingApi) -> str:
    if kind == "file":
        return {"results": api.results, "model": api.results, "report": api.report}.get(name, "")
    if kind == "map":
        return api.scores
    return f"{api.scores}.{name}" if api.scores else ""


def _kind(name: str, declared_type: LiteralType) -> str:
    if declared_type.HasField("blob"):
        return "file"
    if declared_type.HasField("map_value_type"):
        return "map"
    kind = _SIMPLE.get(declared_type.simple) if declared_type.HasField("simple") else None
    if kind is None:
        message = "must be a File, float, int, str or dict[str, float]: a training has no others"
        raise InvalidRequestError(message, field=f"outputs.{name}")
    return kind


class MissingOutputError(Exception):
    """A training has ended without a declared output; the text says which one, as the end of a sentence."""


def values(outputs: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the outputs by name; a file as its URI.

    Raises:
        MissingOutputError: One is not there, or of another type.
    """
    return {name: _value(name, source, body) for name, source in outputs.items()}


def _value(name: str, source: str, body: Mapping[str, Any]) -> Any:
    kind, _, path = source.partition(":")
    value = at(body, path)
    if kind == "file":
        is_uri = isinstance(value, str) and (value.startswith("/") or bool(urlsplit(value).scheme))
        if not is_uri:
            message = f"its {name} are not a file: {repr(value)[:80]}"
            raise MissingOutputError(message)
        return value
    if kind == "map" and isinstance(value, dict):
        return {key: float(one) for key, one in value.items() if _is_number(one)}
    if kind == "float" and _is_number(value):
        return float(value)
    if kind == "int" and _is_number(value) and float(value).is_integer():
        return int(value)
    if kind == "str" and isinstance(value, str):
        return value
    message = f"its output {name!r} is not {_WORDS[kind]}: {path} is {repr(value)[:80]}"
    raise MissingOutputError(message)


_WORDS = {"map": "an object", "float": "a number", "int": "a whole number", "str": "a text"}


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value)
