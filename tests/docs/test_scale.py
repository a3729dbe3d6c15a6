"""docs/scale.md shows what the model predicts, with the limits that the code has."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest
from flyte_connectors._dispatch import gathering

from tests.docs.markdown import DOCS, ROOT

_SPEC = importlib.util.spec_from_file_location("model", ROOT / "benchmarks" / "scale" / "model.py")
assert _SPEC is not None
assert _SPEC.loader is not None
scale = sys.modules["model"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(scale)

PAGE = (DOCS / "scale.md").read_text()
ROWS = re.findall(
    r"^\| ([\d,]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \| ([\d.]+) % \|$",
    PAGE,
    re.MULTILINE,
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_deployment_needs_what_the_model_says(row: tuple[str, ...]) -> None:
    """As rounded in the table."""
    jobs, executors, *printed = row
    found = scale.predict(scale.Load(int(jobs.replace(",", "")), executors=int(executors)))
    assert printed == [
        f"{found.polled_every:.0f}",
        f"{found.polls:.0f}",
        f"{found.replicas}",
        f"{found.megabytes:.0f}",
        f"{found.vendor_calls:.2f}",
        f"{found.share * 100:.2f}",
    ]


def test_the_page_has_the_limits_of_the_code() -> None:
    """And rows at all."""
    assert len(ROWS) == 6
    assert f"W = {gathering.WINDOW:g} seconds" in PAGE
    assert f"for {gathering.MOST_KEPT:,} jobs at most" in PAGE
    assert gathering.FOLLOWED == 1800
    assert "less than every half hour" in PAGE
    assert f"{scale.Costs().poll_seconds * 1e6:.0f} µs" in PAGE


def test_get_many_is_what_saves_calls() -> None:
    """At most a hundredth of the calls for 10,000 jobs that are polled on time, and never more than one for a poll."""
    on_time = scale.Load(10_000, executors=34)
    assert scale.predict(on_time).share <= 0.01
    for jobs in (1, 10, 1000, 10**6):
        for interval in (None, 0.0, 5.0):
            found = scale.predict(scale.Load(jobs, executors=10**6, min_poll_interval=interval))
            assert 0 < found.share <= 1
