"""Metric replies: one form, whatever a connector knows of its jobs."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from flyte_connectors.authoring import metrics_response
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.testing.metrics import _fault
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

SERIES = {"loss": [(10.0, 0.5), (20.0, 0.25)], "rows": 3, "unknown_yet": None}
NUMBERS = st.floats(allow_nan=True) | st.integers() | st.booleans()
READINGS = st.none() | NUMBERS | st.lists(st.tuples(st.floats(0, 1e12), NUMBERS))


@given(st.dictionaries(st.text("abc_", min_size=1), READINGS), st.dictionaries(st.text(), st.text()))
def test_every_reply_is_of_range_queries(metrics: dict, labels: dict) -> None:
    """As the conformance kit asks for."""
    response = metrics_response(metrics, labels=labels)
    assert [result.metric for result in response.results] == [
        name for name, readings in metrics.items() if readings is not None
    ]
    for result in response.results:
        assert not _fault(json_format.MessageToDict(result.data))


def test_readings_come_with_their_times() -> None:
    """A single one is of now."""
    loss, rows = metrics_response(SERIES, labels={"job": "a"}).results
    (series,) = loss.data["result"]
    assert json_format.MessageToDict(series) == {
        "metric": {"job": "a"},
        "values": [[10.0, "0.5"], [20.0, "0.25"]],
    }
    ((at, value),) = rows.data["result"][0]["values"]
    assert value == "3"
    assert abs(at - time.time()) < 60


def test_the_period_limits_them() -> None:
    """Both ends belong to it; times without a zone are UTC."""
    start = dt.datetime(1970, 1, 1, 0, 0, 20)  # noqa: DTZ001
    response = metrics_response(SERIES, ["loss"], start_time=start, end_time=start)
    assert response.results[0].data["result"][0]["values"][0][1] == "0.25"


def test_only_what_is_asked_for_is_told() -> None:
    """Once, in the order of the question; an unknown name is an error that lists those that are known."""
    response = metrics_response(SERIES, ["rows", "loss", "rows", "unknown_yet"])
    assert [result.metric for result in response.results] == ["rows", "loss"]
    with pytest.raises(InvalidRequestError, match=r"queries: unknown metric 'speed'; .* loss, rows"):
        metrics_response(SERIES, ["speed"])
