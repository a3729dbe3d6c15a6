"""A rehearsal says what it must not hide."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.backend.report import Report

from .findings import Findings, table


def report(**changes: Any) -> Report:
    """Three replicas, each restarted, and all well."""
    whole = Report(replicas=3, tasks=10, seed=0, right=10, notes={"rolls": 3}, codes={"GetTask OK": 90})
    return dataclasses.replace(whole, **changes)


def test_all_well_has_no_flaws() -> None:
    """And no failed calls."""
    found = Findings.of("nginx", report())
    assert (found.flaws, found.failed, found.calls) == ([], {}, 90)


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"right": 9, "unfinished": 1}, "1 tasks lost"),
        ({"right": 8, "failed": 2}, "2 tasks lost"),
        ({"twice": 1}, "1 tasks doubled"),
        ({"orphans": 2}, "2 jobs orphaned"),
        ({"retries": 1}, "1 retries burned"),
        ({"notes": {"rolls": 3, "overdue": 1}}, "1 replicas overdue"),
        ({"notes": {}}, "3 replicas never restarted"),
    ],
)
def test_each_flaw_is_named(changes: dict[str, Any], flaw: str) -> None:
    """A rehearsal in which nothing was restarted has shown nothing."""
    assert Findings.of("nginx", report(**changes)).flaws == [flaw]


def test_failed_calls_are_shown_though_they_cost_nothing() -> None:
    """By method and code, in the table too."""
    found = Findings.of("nginx", report(codes={"GetTask OK": 90, "GetTask UNAVAILABLE": 2}))
    assert found.failed == {"GetTask UNAVAILABLE": 2}
    assert found.calls == 92
    assert "2 GetTask UNAVAILABLE" in table([found])
    assert not found.flaws
