"""A task's inputs as the JSON that a job reads."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping


def to_json(inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The inputs as JSON values: datetimes in ISO 8601, durations in seconds.

    Raises:
        InvalidRequestError: an input has no form in JSON; the error names it.
    """
    return {name: _checked(name, value) for name, value in (inputs or {}).items()}


def _checked(name: str, value: object) -> Any:
    try:
        return json.loads(json.dumps(value, default=_plain, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        message = f"can't be passed to a batch job, which reads JSON: {error}"
        raise InvalidRequestError(message, field=f"inputs.{name}") from error


def _plain(value: object) -> Any:
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    message = f"a {type(value).__name__} can't be written as JSON"
    raise TypeError(message)
