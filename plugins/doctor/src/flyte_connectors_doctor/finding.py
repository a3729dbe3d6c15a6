"""A finding of a check."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Status(enum.Enum):
    """How what was checked is: a fault keeps something from working, a warning does not."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Finding(NamedTuple):
    """What a check has found.

    Attributes:
        check: Name of the check, such as `settings`.
        status: How it is.
        subject: What was looked at: a plugin, a setting, a file.
        text: What is the case, in one line.
        fix: What to do about it; empty if it is ok.
    """

    check: str
    status: Status
    subject: str
    text: str
    fix: str = ""
