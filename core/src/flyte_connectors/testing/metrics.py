"""Metrics, for connectors with `get_metrics`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb
from google.protobuf import json_format

from flyte_connectors.testing.harness import Driver
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService


class MetricRules:
    """Rules of `get_metrics`."""

    @rule("get_metrics")
    async def test_metrics_have_one_form(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Of a Prometheus range query, which is what consoles draw; see `authoring.metrics_response`."""
        job = await start(driver, service, task_request)
        replies = [await driver.metrics(job.meta)]
        service.complete(job.id)
        await driver.end(job.meta)
        replies.append(await driver.metrics(job.meta))
        for result in (result for reply in replies for result in reply.results):
            assert result.metric, "a metric has no name: set `metric` of each result"
            data = json_format.MessageToDict(result.data)
            fault = _fault(data)
            if fault:
                shown = json.dumps(data)[:300]
                pytest.fail(
                    f"the data of the metric {result.metric!r} {fault}: {shown}; build it with metrics_response"
                )


def _fault(data: dict[str, Any]) -> str:
    """What keeps `data` from being the result of a range query."""
    if data.get("resultType") != "matrix":
        return "is not of resultType 'matrix'"
    if not isinstance(series := data.get("result"), list):
        return "has no list of series as its result"
    for one in series:
        if not isinstance(one, dict) or not isinstance(one.get("metric"), dict):
            return "has a series without a map of labels as its metric"
        if not all(isinstance(label, str) for label in one["metric"].values()):
            return "has a label that is not text"
        if not isinstance(values := one.get("values"), list) or not all(map(_is_value, values)):
            return "has values that are not pairs of seconds and a number as text"
    return ""


def _is_value(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004  (time, value)
        return False
    moment, number = value
    if not isinstance(moment, float) or not isinstance(number, str):
        return False
    try:
        float(number)
    except ValueError:
        return False
    return True
