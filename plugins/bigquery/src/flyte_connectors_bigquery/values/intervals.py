"""INTERVAL values as BigQuery writes them: `[sign]Y-M [sign]D [sign]H:M:S[.F]`.

https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#interval_type
"""

from __future__ import annotations

import datetime
import re
from typing import Any

_CANONICAL = re.compile(r"[+-]?\d+-\d+ [+-]?\d+ [+-]?\d+:\d+:\d+(\.\d{1,6})?")
_ISO = re.compile(r"P(?=[-\dT])(-?\d+[YMWD])*(T(-?\d+(\.\d+)?[HMS])+)?")
_PARTS = ("years", "months", "days", "hours", "minutes", "seconds", "microseconds")
_MICROSECONDS = {"hours": 3_600_000_000, "minutes": 60_000_000, "seconds": 1_000_000}


def interval_text(value: Any) -> str:
    """`value` in BigQuery's form.

    Args:
        value: A `timedelta`, a `dateutil.relativedelta`, or text in BigQuery's form or ISO 8601's.

    Raises:
        ValueError: the text is in neither form.
        TypeError: `value` is of another type.
    """
    if isinstance(value, str):
        if not _CANONICAL.fullmatch(value) and not _ISO.fullmatch(value):
            raise ValueError
        return value
    if isinstance(value, datetime.timedelta):
        # Of a negative one only the days are negative, in Python; BigQuery's parts have their own signs.
        days, time = divmod(abs(value), datetime.timedelta(days=1))
        sign = -1 if value < datetime.timedelta() else 1
        return months_days_microseconds_text(0, sign * days, sign * (time // datetime.timedelta(microseconds=1)))
    if not is_relativedelta(value):
        raise TypeError
    parts = {part: int(getattr(value, part)) for part in _PARTS}
    microseconds = parts["microseconds"]
    microseconds += sum(parts[part] * factor for part, factor in _MICROSECONDS.items())
    return months_days_microseconds_text(12 * parts["years"] + parts["months"], parts["days"], microseconds)


def as_timedelta(value: Any) -> Any:
    """A `relativedelta` without months as a `timedelta`; a month has no fixed length, so others stay."""
    if not is_relativedelta(value) or value.years or value.months:
        return value
    names = ("days", "hours", "minutes", "seconds", "microseconds")
    return datetime.timedelta(**{name: getattr(value, name) for name in names})


def is_relativedelta(value: Any) -> bool:
    """Whether `value` is one, which is how the vendor's client reads an INTERVAL."""
    return type(value).__module__ == "dateutil.relativedelta"


def months_days_microseconds_text(months: int, days: int, microseconds: int) -> str:
    """The parts of an INTERVAL, each with its sign, in BigQuery's form."""
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    time = f"{'-' * (microseconds < 0)}{hours}:{minutes}:{seconds}"
    if fraction:
        time += f".{fraction:06}"
    years, month = divmod(abs(months), 12)
    return f"{'-' * (months < 0)}{years}-{month} {days} {time}"
