"""Keeps secrets out of the log: a filter for handlers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flyte_connectors.secrets import masker_of_all_calls

if TYPE_CHECKING:
    from flyte_connectors._masking import Masker


class RedactingFilter(logging.Filter):
    """Masks the secrets of all calls that run, in every record of a handler.

    Libraries log from other threads, and finalizers log during unrelated calls.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record; it is always logged."""
        found = masker_of_all_calls()
        if found is None:
            return True
        record.msg, record.args = found.mask(_message(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        fields = vars(record)
        for name in fields.keys() - {"msg", "args", "exc_info"}:  # what `extra` added included
            fields[name] = _shown(fields[name], found)
        return True


def _shown(value: Any, found: Masker) -> Any:
    """`value`, or a masked replacement for it."""
    try:
        return found.mask_value(value, _shown_object)
    except RecursionError:  # a circle
        return found.mask(repr(value))


def _shown_object(value: Any, found: Masker) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    try:
        shown = found.mask(text := str(value))
    except Exception as error:  # a filter must not raise into the code that logs
        return f"<{type(value).__name__} whose text can't be had: {type(error).__name__}>"
    return value if shown == text else shown


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a filter must not raise into the code that logs
        return f"{record.msg} {record.args!r}"
