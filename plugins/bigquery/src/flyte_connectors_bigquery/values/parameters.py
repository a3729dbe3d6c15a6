"""Input values as query parameters, each by its declared type and never by the value's own.

Values come native from a local run, or as Flyte's wire gives them back: there a date is a midnight
in UTC, a decimal is text, and a dataclass may be another class with the same fields. Both fit.

https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter#queryparametervalue
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_bigquery.values.intervals import interval_text

if TYPE_CHECKING:
    from flyte_connectors_bigquery.values.types import ParameterType

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
BIGNUMERIC_DIGITS = 77

_RANGE = re.compile(r"\[\s*([^,]*?)\s*,\s*([^,]*?)\s*\)")
_UNBOUNDED = {"UNBOUNDED", "NULL"}


class ParameterValueError(ValueError):
    """A value does not fit its parameter's type; `path` leads to the wrong part of it."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def query_parameter(name: str, parameter_type: ParameterType, value: Any) -> dict[str, Any]:
    """The REST `QueryParameter` called `name`.

    Raises:
        InvalidRequestError: `value` does not fit the type; the field is `inputs.<name>`.
    """
    try:
        encoded = _encode(parameter_type, value)
    except ParameterValueError as error:
        raise InvalidRequestError(error.reason, field=f"inputs.{name}{error.path}") from None
    return {"name": name, "parameterType": parameter_type, "parameterValue": encoded}


def _encode(parameter_type: ParameterType, value: Any) -> dict[str, Any]:
    kind = parameter_type["type"]
    if kind == "ARRAY":
        return {"arrayValues": _array(parameter_type["arrayType"], value)}
    if value is None:
        return {"value": None}
    if kind == "RANGE":
        return {"rangeValue": _range(parameter_type["rangeElementType"], value)}
    if kind == "STRUCT":
        return {"structValues": _struct(parameter_type["structTypes"], value)}
    try:
        return {"value": _SCALARS[kind](value)}
    except (ValueError, ArithmeticError, TypeError):
        message = f"expected {kind}, got {reprlib.repr(value)} ({type(value).__name__})"
        raise ParameterValueError(message) from None


def _array(element_type: ParameterType, value: Any) -> list[dict[str, Any]]:
    if value is None:  # BigQuery has no NULL arrays in parameters; it reads them as empty itself.
        return []
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        message = f"expected ARRAY, got {reprlib.repr(value)} ({type(value).__name__})"
        raise ParameterValueError(message)
    return [_within(f"[{i}]", element_type, element) for i, element in enumerate(value)]


def _range(element_type: ParameterType, value: Any) -> dict[str, Any]:
    """`[start, end)`, in which None is unbounded: two values, a mapping, or the text of a literal."""
    given = value
    if isinstance(value, str) and (match := _RANGE.fullmatch(value)):
        value = [None if part.upper() in _UNBOUNDED else part for part in match.groups()]
    elif isinstance(value, Mapping) and value.keys() == {"start", "end"}:
        value = [value["start"], value["end"]]
    if not isinstance(value, (list, tuple)) or len(value) != 2:  # noqa: PLR2004
        message = (
            f"expected RANGE, two values or text such as '[2024-01-01, UNBOUNDED)', got "
            f"{reprlib.repr(given)} ({type(given).__name__})"
        )
        raise ParameterValueError(message)
    bounds = zip(("start", "end"), value, strict=True)
    return {name: _within(f".{name}", element_type, bound) for name, bound in bounds if bound is not None}


def _struct(fields: Sequence[ParameterType], value: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, Mapping):
        message = f"expected STRUCT, got {reprlib.repr(value)} ({type(value).__name__})"
        raise ParameterValueError(message)
    return {field["name"]: _within(f".{field['name']}", field["type"], value.get(field["name"])) for field in fields}


def _within(step: str, parameter_type: ParameterType, value: Any) -> dict[str, Any]:
    try:
        return _encode(parameter_type, value)
    except ParameterValueError as error:
        raise ParameterValueError(error.reason, step + error.path) from None


def _bool(value: Any) -> str:
    if value is not True and value is not False:
        raise TypeError
    return "true" if value else "false"


def _int64(value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    if not INT64_MIN <= value <= INT64_MAX:
        raise ValueError
    return str(value)


def _float64(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError
    number = float(value)
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return "NaN" if math.isnan(number) else repr(number)


def _numeric(value: Any) -> str:
    if isinstance(value, (bool, float)):
        raise TypeError
    number = decimal.Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > BIGNUMERIC_DIGITS:
        raise ValueError
    return f"{number:f}"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bytes(value: Any) -> str:
    return base64.b64encode(value).decode()


def _date(value: Any) -> str:
    if isinstance(value, (str, datetime.datetime)):
        moment = _utc(_moment(value))
        if moment.time() != datetime.time():
            raise ValueError
        value = moment.date()
    if not isinstance(value, datetime.date):
        raise TypeError
    return value.isoformat()


def _datetime(value: Any) -> str:
    return _utc(_moment(value)).isoformat()


def _timestamp(value: Any) -> str:
    return _utc(_moment(value)).isoformat() + "+00:00"


def _time(value: Any) -> str:
    if isinstance(value, str):
        value = datetime.time.fromisoformat(value)
    if not isinstance(value, datetime.time) or value.tzinfo is not None:
        raise TypeError
    return value.isoformat()


def _json(value: Any) -> str:
    """Text counts as JSON already."""
    if isinstance(value, str):
        json.loads(value)
        return value
    return json.dumps(value, allow_nan=False)


def _geography(value: Any) -> str:
    """WKT or GeoJSON as text, or GeoJSON as an object."""
    return _json(value) if isinstance(value, Mapping) else _string(value)


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, str):
        value = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if not isinstance(value, datetime.datetime):
        raise TypeError
    return value


def _utc(moment: datetime.datetime) -> datetime.datetime:
    """`moment` on the clock of UTC, the zone itself dropped; without a zone it counts as UTC."""
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)


_SCALARS: Mapping[str, Callable[[Any], str]] = {
    "BOOL": _bool,
    "INT64": _int64,
    "FLOAT64": _float64,
    "NUMERIC": _numeric,
    "BIGNUMERIC": _numeric,
    "STRING": _string,
    "BYTES": _bytes,
    "DATE": _date,
    "DATETIME": _datetime,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
    "JSON": _json,
    "GEOGRAPHY": _geography,
    "INTERVAL": interval_text,
}
