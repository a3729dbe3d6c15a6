"""The numbers about calls."""

from __future__ import annotations

import pytest
from flyte_connectors.call_series import SECONDS_BOUNDS, CallSeries
from hypothesis import given
from hypothesis import strategies as st


def test_bounds_rise() -> None:
    """As Prometheus wants its buckets."""
    assert list(SECONDS_BOUNDS) == sorted(set(SECONDS_BOUNDS))


@given(st.lists(st.tuples(st.sampled_from(["OK", "INTERNAL"]), st.floats(0, 120))))
def test_every_call_is_counted_once(calls: list[tuple[str, float]]) -> None:
    """By code, in the sum and in exactly one bucket, which bounds it."""
    series = CallSeries()
    for code, seconds in calls:
        series.observe(code, seconds)
    assert sum(series.by_code.values()) == sum(series.buckets) == len(calls)
    assert series.seconds_sum == pytest.approx(sum(seconds for _, seconds in calls))
    for index, bound in enumerate(SECONDS_BOUNDS):
        assert sum(series.buckets[: index + 1]) == sum(seconds <= bound for _, seconds in calls)
