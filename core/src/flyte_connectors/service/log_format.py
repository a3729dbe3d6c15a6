"""The format of log lines: text for people, or one JSON object per line for programs.

Each line of a call names its task type and job (run, action and attempt are in the job's key), and
holds no secret of that call.
"""

from __future__ import annotations

import json
import logging
import sys
import threading

from flyte_connectors._calls.context import current
from flyte_connectors._calls.log_filter import RedactingFilter
from flyte_connectors.service.settings import ServiceSettings

logger = logging.getLogger(__name__)

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(settings: ServiceSettings) -> None:
    """Send this process's log to standard error, as the settings say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else ConsoleFormatter())
    handler.addFilter(RedactingFilter())
    threading.excepthook = _log_thread_error
    sys.unraisablehook = _log_ignored_error
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)  # they quote what a library was given, secrets too
    if settings.log_level != "debug":
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request at INFO


def _log_thread_error(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit:
        name = ended.thread.name if ended.thread else "unknown"
        error = ended.exc_value or ended.exc_type()
        logger.error("the thread %s ended with an error", name, exc_info=error)


def _log_ignored_error(ignored: sys.UnraisableHookArgs) -> None:
    logger.error("%s: %r", ignored.err_msg or "error ignored in", ignored.object, exc_info=ignored.exc_value)


class ConsoleFormatter(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, with the job it is about."""
        call = current.get()
        line = super().format(record)
        return f"{line} [{call.task_type} {call.key}]" if call and "\n" not in line else line


class JsonFormatter(logging.Formatter):
    """Lines for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object: time, level, logger, message, the call, and what `extra` added."""
        fields: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        call = current.get()
        if call is not None:
            fields.update(task_type=call.task_type, verb=call.verb, job=call.key)
        if record.exc_info:
            fields["exception"] = record.exc_text or self.formatException(record.exc_info)
        added = {
            name: value for name, value in vars(record).items() if name not in _RECORD_FIELDS and name not in fields
        }
        try:
            return json.dumps(fields | added, default=str, allow_nan=False)
        except (TypeError, ValueError, RecursionError):  # NaN, a circle
            return json.dumps(fields | {name: str(added[name]) for name in added})
