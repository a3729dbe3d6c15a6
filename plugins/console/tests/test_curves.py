"""Metrics as curves."""

from __future__ import annotations

from flyte_connectors.authoring import metrics_response
from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse

from flyte_connectors_console.curves import MOST_CURVES, MOST_POINTS, Curves, thinned, unit_of


def test_training_and_validation_share_a_chart() -> None:
    """Whatever differs by a prefix only."""
    curves = Curves()
    readings = {name: [(1.0, 0.5), (2.0, 0.25)] for name in ("loss", "validation_loss", "accuracy")}
    assert curves.take(metrics_response(readings))
    assert not curves.take(metrics_response(readings))
    charts = {chart["title"]: [curve["name"] for curve in chart["curves"]] for chart in curves.charts()}
    assert charts == {"accuracy": ["accuracy"], "loss": ["loss", "validation_loss"]}


def test_single_values_are_gathered() -> None:
    """A connector that knows only the present value has a curve, too."""
    curves = Curves()
    for at, value in ((1.0, 10.0), (2.0, 20.0), (2.0, 20.0), (3.0, 30.0)):
        curves.take(metrics_response({"cpu_seconds": [(at, value)]}))
    assert curves.by_name["cpu_seconds"] == [(1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]


def test_a_later_reply_replaces_an_earlier_one() -> None:
    """A connector that knows all values gives them each time."""
    curves = Curves()
    curves.take(metrics_response({"loss": [(1.0, 3.0), (2.0, 2.0)]}))
    curves.take(metrics_response({"loss": [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]}))
    assert [value for _, value in curves.by_name["loss"]] == [3.0, 2.0, 1.0]


def test_what_is_no_number_is_left_out() -> None:
    """A connector may report anything."""
    reply = GetTaskMetricsResponse()
    values = [[1, "nan"], [2, "x"], [3], 4, [5, "0.5"], ["inf", "1"]]
    reply.results.add(metric="odd").data.update({"result": [{"values": values}, {"metric": {}}]})
    reply.results.add(metric="empty").data.update({"result": []})
    reply.results.add(metric="none")
    curves = Curves()
    curves.take(reply)
    assert curves.by_name == {"odd": [(5.0, 0.5)]}


def test_there_is_a_most_of_everything() -> None:
    """However much a connector reports."""
    curves = Curves()
    many = [(float(at), float(at)) for at in range(MOST_POINTS + 7)]
    curves.take(metrics_response({f"m{number}": many for number in range(MOST_CURVES + 2)}))
    assert len(curves.by_name) == MOST_CURVES
    points = curves.by_name["m0"]
    assert len(points) <= MOST_POINTS
    assert points[-1] == many[-1]
    assert thinned([]) == []


def test_units_are_read_off_names() -> None:
    """As Prometheus names metrics."""
    names = ("cpu_seconds", "peak_memory_bytes", "bytes_billed", "slot_millis", "loss")
    assert [unit_of(name) for name in names] == ["s", "bytes", "bytes", "ms", ""]
