"""`python -m tests.official [bigquery|slurm]`: which rules of the conformance kit an official plugin breaks.

Prints a table, and how it differs from `expected_failures.txt`, or from `expected_failures_slurm.txt`. The faults are the plugin's, so they
fail nothing here; a table that can't be made does.
"""

from __future__ import annotations

import collections
import sys
from pathlib import Path

import pytest
from flyte_connectors.testing.harness import DIRECT, WIRE

HERE = Path(__file__).parent
PLUGINS = {"bigquery": "expected_failures.txt", "slurm": "expected_failures_slurm.txt"}
"""With the names of the files that say which rules they are known to break."""

TIMEOUT_SECONDS = 20
WIDTH = 110


class Outcomes:
    """Collects what becomes of each rule: by itself, or at each level of the kit's.

    Attributes:
        of: For each rule, the outcome by level.
        faults: What the rules that are broken said, in a line.
    """

    def __init__(self) -> None:
        self.of: dict[str, dict[str, str]] = collections.defaultdict(dict)
        self.faults: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the report of one step of a test."""
        if report.when != "call" and report.passed:
            return
        rule, _, level = report.nodeid.rpartition("::")[2].rstrip("]").partition("[")
        self.of[rule][level] = report.outcome
        if report.failed:
            self.faults[rule] = _first_line(report)


def _first_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return text.strip().partition("\n")[0].removeprefix("AssertionError: ")


def print_table(outcomes: Outcomes) -> None:
    """A line for each rule that is broken, then how many hold."""
    width = max(map(len, outcomes.of))
    print(f"\n{'BROKEN RULE':{width}}  {DIRECT:8}{WIRE:8}WHAT WAS SEEN")
    for rule, fault in sorted(outcomes.faults.items()):
        levels = outcomes.of[rule]
        direct, wire = levels.get(DIRECT, levels.get("", "")), levels.get(WIRE, "")
        print(f"{rule:{width}}  {direct:8}{wire:8}{fault[:WIDTH]}")
    rest = [set(levels.values()) for rule, levels in outcomes.of.items() if rule not in outcomes.faults]
    hold = sum("passed" in levels for levels in rest)
    print(f"{len(outcomes.faults)} rules broken, {hold} hold, {len(rest) - hold} do not apply")


def print_changes(broken: set[str], file: Path) -> None:
    """How the broken rules differ from those that were expected."""
    expected = set(file.read_text().split())
    for rule in sorted(broken - expected):
        print(f"not expected to be broken: {rule}")
    for rule in sorted(expected - broken):
        print(f"expected to be broken, and holds: {rule}")
    if broken == expected:
        print(f"as {file.name} expects")


def main() -> int:
    """Run the kit; 0 if it has run to its end."""
    outcomes = Outcomes()
    quiet = ("-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-W", "ignore")
    plain = (
        "--tb",
        "native",
    )  # Python 3.11 fails to parse source for others, where a time limit struck
    limit = ("--timeout", str(TIMEOUT_SECONDS))
    plugin, *chosen = sys.argv[1:] or ["bigquery"]
    kit = str(HERE / f"{plugin}_conformance.py")
    status = pytest.main([*quiet, *plain, *limit, kit, *chosen], plugins=[outcomes])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return 1
    print_table(outcomes)
    print_changes(set(outcomes.faults), HERE / PLUGINS[plugin])
    return 0


if __name__ == "__main__":
    sys.exit(main())
