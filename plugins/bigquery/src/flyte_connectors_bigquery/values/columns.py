"""Values of a result's columns as the outputs of a task."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from collections.abc import Callable, Mapping
from typing import Any

from flyte_connectors_bigquery.values.intervals import (
    as_timedelta,
    interval_text,
    is_relativedelta,
)


def converted(value: Any, kind: str) -> Any:
    """A value of the vendor's client as an output of this kind wants it; what does not fit stays.

    Args:
        value: Of a column, as the vendor's client reads it.
        kind: Name of a `flyteidl2.core.SimpleType`, with `[]` in front for a list.
    """
    if value is None:
        return None
    if kind.startswith("[]") and isinstance(value, list):
        return [converted(element, kind[2:]) for element in value]
    convert = _CONVERSIONS.get(kind)
    return convert(value) if convert is not None else value


def _integer(value: Any) -> Any:
    return int(value) if isinstance(value, decimal.Decimal) and value == int(value) else value


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, decimal.Decimal) else value


def _datetime(value: Any) -> Any:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime.combine(value, datetime.time())
    return value


def _string(value: Any) -> Any:
    text = plain(value)
    return json.dumps(text) if isinstance(text, (dict, list)) else text


def plain(value: Any) -> Any:
    """`value` in terms of JSON; numbers with a decimal point as text, which keeps their digits."""
    if isinstance(value, Mapping):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if is_relativedelta(value):
        return interval_text(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "INTEGER": _integer,
    "FLOAT": _float,
    "DATETIME": _datetime,
    "DURATION": as_timedelta,
    "STRING": _string,
    "STRUCT": plain,
}
