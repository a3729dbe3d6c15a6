"""The external systems: each plugin's hook `check_connection`."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator
from typing import Any

from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import ConnectorError
from flyte_connectors.secrets import redact

from flyte_connectors_doctor.finding import Finding, Status

CHECK = "connections"
SECONDS = 15.0
_LONGEST = 400


def check(registry: Registry) -> Iterator[Finding]:
    """Findings for every system that plugins ask, at the same time."""
    hooks = registry.hooks["check_connection"]
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=8)
    asked = {pool.submit(_answers, hook): _name_of(hook) for hook in hooks}
    concurrent.futures.wait(asked, timeout=SECONDS)
    for future, name in asked.items():
        if not future.done():
            text = f"no answer within {SECONDS:g} s"
            fix = "see whether this machine may connect to it: firewall, proxy, name"
            yield Finding(CHECK, Status.FAULT, name, text, fix)
            continue
        for answer in future.result():
            yield _finding(name, answer)
    pool.shutdown(wait=False, cancel_futures=True)


def _answers(hook: Callable[[], Any]) -> list[Any]:
    found: list[Any] = []
    try:
        found.extend(hook() or ())
    except (Exception, SystemExit) as error:
        found.append(error)
    return found


def _finding(name: str, answer: Any) -> Finding:
    if not isinstance(answer, BaseException):
        return Finding(CHECK, Status.OK, name, redact(str(answer)))
    is_known = isinstance(answer, ConnectorError)
    text = answer.message if isinstance(answer, ConnectorError) else f"{type(answer).__name__}: {answer}"
    text = " ".join(redact(text).split())[:_LONGEST]
    fix = _FIXES.get(getattr(answer, "code", ""), "see the plugin's README")
    return Finding(CHECK, Status.FAULT, name, text, fix if is_known else _FIXES[""])


_FIXES = {
    "": "see the plugin's README; if the fault is the plugin's, report it",
    "UNAUTHENTICATED": "give the service credentials that the system accepts",
    "PERMISSION_DENIED": "have the account granted what the plugin's README lists",
    "UNAVAILABLE": "correct the address in the plugin's settings, or start the system",
    "INVALID_ARGUMENT": "correct the plugin's settings",
    "NOT_FOUND": "correct the address in the plugin's settings",
}
"""What helps, by the code of the error."""


def _name_of(hook: Callable[[], Any]) -> str:
    owner = getattr(hook, "__self__", None)
    return str(getattr(owner, "name", None) or hook.__module__)
