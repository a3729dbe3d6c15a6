"""docs/metrics.md describes what a live service shows."""

from __future__ import annotations

import dataclasses
import re

import grpc
import pytest
from flyte_connectors._dispatch.transient_faults import FaultCounts
from flyte_connectors._registry.discovery import PluginReport, Status
from flyte_connectors.call_series import SECONDS_BOUNDS
from flyte_connectors.hookspecs import VERBS
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.markdown import DOCS, sections, tables
from tests.fakes.fake import FakeConnector, SyncFake
from tests.service.hosting import hosting
from tests.service.http import fetch

SECTIONS = sections(DOCS / "metrics.md")
METRICS, LABELS = tables(SECTIONS["Metrics"])
FAILED = PluginReport("bad", "bad-plugin", "1.0", Status.FAILED, "it broke")


async def test_metrics_are_those_of_a_scrape() -> None:
    """Name, type, labels and meaning."""
    async with hosting(connectors=[FakeConnector], reports=[FAILED]) as service:
        for verb in next(iter(service.registry)).verbs.values():
            verb.calls.observe("OK", 0.1)
        answer = await fetch(f"127.0.0.1:{service.metrics_port}", "/metrics")
    shown = []
    for family in text_string_to_metric_families(answer.body):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        shown.append((name, family.type, labels, family.documentation))
    assert shown == [(row["metric"], row["type"], set(row["labels"].split(", ")), row["meaning"]) for row in METRICS]


def test_values_of_labels_are_those_of_the_code() -> None:
    """Verbs, statuses and outcomes."""
    values = {row["label"]: row["values"] for row in LABELS}
    assert values["verb"] == ", ".join(VERBS)
    assert values["status"] == ", ".join(status.value for status in Status)
    fields = dataclasses.fields(FaultCounts)
    assert values["outcome"] == ", ".join(field.name for field in fields)


def test_buckets_are_those_of_the_code() -> None:
    """In milliseconds below a second."""
    line = re.search(r"Buckets of the histogram end at (.*?)\.\n", SECTIONS["Metrics"])
    assert line is not None
    below, above = line[1].split(" ms, ")
    told = [float(number) / 1000 for number in below.split(", ")]
    told += [float(number) for number in re.findall(r"[\d.]+", above)]
    assert told == list(SECONDS_BOUNDS)


async def test_probes_answer_as_told() -> None:
    """While the service takes calls, and when it hosts nothing."""
    rows = {row["path"]: row["answer"] for row in tables(SECTIONS["Probes over HTTP"])[0]}
    for connectors, ready in ([FakeConnector], 200), ([], 503):
        async with hosting(connectors=connectors) as service:
            for path, answer in rows.items():
                told = ready if path == "/readyz" else int(answer[:3])
                assert (await fetch(f"127.0.0.1:{service.metrics_port}", path)).status == told


async def test_health_names_are_known() -> None:
    """With the answer of the table; other names are not."""
    rows = {row["service"]: row["answer"] for row in tables(SECTIONS["Health over gRPC"])[0]}
    examples = {
        "connector/<task type>": f"connector/{SyncFake.task_type_name}",
        "plugin/<entry point>": "plugin/bad",
    }
    async with (
        hosting(connectors=[SyncFake], reports=[FAILED]) as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        for name, answer in rows.items():
            asked = "" if "(empty)" in name else examples.get(name, name)
            reply = await stub.Check(health_pb2.HealthCheckRequest(service=asked))
            status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
            assert status == ("SERVING" if answer == "the same" else answer.split()[0]), name
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Check(health_pb2.HealthCheckRequest(service="connector/unknown"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
