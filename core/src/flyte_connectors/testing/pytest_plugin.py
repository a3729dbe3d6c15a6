"""The summary of the conformance tests at the end of a run; nothing else, and nothing without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_OUTCOMES = ("passed", "failed", "error", "skipped")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say for each connector how many rules hold, which do not, and what was not asked, and why."""
    connectors: dict[str, dict[str, list[str]]] = {}
    for outcome in _OUTCOMES:
        for report in terminalreporter.getreports(outcome):
            name = dict(getattr(report, "user_properties", ())).get("conformance")
            if name is not None and (report.when == "call" or outcome in ("error", "skipped")):
                lists = connectors.setdefault(str(name), {key: [] for key in _OUTCOMES})
                lists[outcome].append(_line(report))
    for name, lists in sorted(connectors.items()):
        terminalreporter.section(f"conformance of {name}")
        counts = [f"{len(lines)} {outcome}" for outcome, lines in lists.items() if lines]
        terminalreporter.line(", ".join(counts))
        for outcome in _OUTCOMES[1:]:
            for line in dict.fromkeys(lists[outcome]):
                terminalreporter.line(f"  {outcome}: {line}")


def _line(report: pytest.TestReport) -> str:
    """The reason of a skip, which many tests share; the name of any other test."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.nodeid.rpartition("::")[2]
