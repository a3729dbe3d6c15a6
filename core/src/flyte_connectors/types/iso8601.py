"""Durations in ISO 8601 as pydantic writes them: ``P1DT2.5S``, ``-PT3S``."""

from __future__ import annotations

import datetime as dt
import re

_DURATION = re.compile(
    r"(?P<sign>[-+]?)P(?:(?P<years>\d+)Y)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def write_duration(value: dt.timedelta) -> str:
    """Return the ISO 8601 text of a duration, to the microsecond."""
    sign = "-" if value < dt.timedelta() else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06}".rstrip("0") if value.microseconds else ""
    years, days = divmod(value.days, 365)
    date = (f"{years}Y" if years else "") + (f"{days}D" if days else "")
    time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    time += f"{seconds}{fraction}S" if seconds or fraction else ""
    if not date and not time:
        return "PT0S"
    return f"{sign}P{date}{'T' + time if time else ''}"


def parse_duration(text: str) -> dt.timedelta:
    """Return the duration that ISO 8601 text means. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None or text in {"P", "-P", "+P"}:
        raise ValueError(text)
    parts = {
        name: number for name, number in match.groupdict().items() if number and name != "sign"
    }
    days = int(parts.pop("days", "0")) + 365 * int(parts.pop("years", "0"))  # as pydantic counts
    seconds, _, fraction = parts.pop("seconds", "0").partition(".")
    duration = dt.timedelta(
        days=days,
        seconds=int(seconds),
        microseconds=int(f"{fraction:0<6}"[:6]),
        **{name: int(number) for name, number in parts.items()},
    )
    return -duration if match["sign"] == "-" else duration
