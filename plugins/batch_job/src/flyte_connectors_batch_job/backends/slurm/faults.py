"""What Slurm's complaints mean. Its texts and numbers are in `slurm_errno.h`; both ways show the texts."""

from __future__ import annotations

from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)

_FIELDS = (
    ("partition name", "queue"),
    ("invalid partition", "queue"),
    ("invalid account", "account"),
    ("invalid qos", "qos"),
    ("memory specification", "memory"),
    ("memory required", "memory"),
    ("generic resource", "gpu"),
    ("gres", "gpu"),
    ("array", "array"),
    ("time limit", "timeout_seconds"),
    ("nice value", "priority"),
    ("node count", "nodes"),
)
_UNREACHABLE = (
    "unable to contact",
    "connect failure",
    "connection refused",
    "connection timed out",
    "socket timed out",
    "zero bytes were transmitted",
    "send/recv",
    "backup controller",
    "standby mode",
    "communications",
    "temporarily unable to accept",
    "could not establish a configuration",
    "unexpected message",
)
_CREDENTIALS = ("authentication", "invalid user id", "auth credential", "munge")
_RIGHTS = ("permission denied", "not permitted", "group not permitted", "access denied")
_BUSY = ("queue full", "job submit limit", "violates accounting/qos policy", "maxjobcount")
_SIZE = ("node configuration is not available", "partition configuration not available")
_KINDS: tuple[tuple[tuple[str, ...], type[ConnectorError], str], ...] = (
    (_UNREACHABLE, ServiceUnavailableError, "Slurm's controller does not answer"),
    (_CREDENTIALS, AuthenticationError, "Slurm refuses the service's credentials"),
    (_RIGHTS, PermissionDeniedError, "Slurm does not allow it"),
    (_BUSY, RateLimitedError, "Slurm accepts no more jobs now"),
)

NOT_NOW = ("not available now", "held state", "nodes are busy", "violates accounting")
"""What Slurm says of a job that it takes, and that can't start yet."""

UNKNOWN_ID = "invalid job id"
ENDED = ("already completing or completed", "job has finished", UNKNOWN_ID)


def error_of(complaint: str) -> ConnectorError:
    """The error that a complaint of Slurm means."""
    text = tidy(complaint)
    lower = text.lower()
    for words, kind, meaning in _KINDS:
        if _has(lower, words):
            return kind(f"{meaning}: {text}")
    for word, field in _FIELDS:
        if word in lower:
            return InvalidRequestError(f"Slurm refuses it: {text}", field=f"custom.{field}")
    if _has(lower, _SIZE):
        message = f"no node has the cpu, memory, gpu or nodes that the job asks for: {text}"
        return InvalidRequestError(message, field="custom")
    return InvalidRequestError(f"Slurm refuses it: {text or 'it gave no reason'}", field="custom")


def says(complaint: str, words: tuple[str, ...]) -> bool:
    """Whether a complaint contains one of `words`."""
    return _has(complaint.lower(), words)


def tidy(complaint: str) -> str:
    """A complaint in one line, without the names of the programs that it went through."""
    lines = []
    for line in complaint.splitlines():
        words = line.strip()
        for prefix in ("sbatch:", "squeue:", "scancel:", "scontrol:", "sacct:", "error:", "fatal:"):
            words = words.removeprefix(prefix).strip()
        if words and words not in lines:
            lines.append(words)
    return "; ".join(lines)[:500]


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)
