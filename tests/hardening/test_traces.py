"""Traces through a real service: the caller's trace goes on in the connector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from flyte_connectors._calls import context as call_context
from flyte_connectors._registry.table import Registry
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings
from flyte_connectors_otel import tracing
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.fakes.fake import FakeConnector, PlainConnector
from tests.fakes.job_service import JobService
from tests.fakes.requests import create_request
from tests.service.client import Client
from tests.service.hosting import TRANSPORT, hosting

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
METADATA = (
    ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01"),
    ("trace-bin", b"\x00\xff"),
    ("authorization", "Bearer c4n4ry"),
)

_exporter = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def _provider() -> None:
    """OpenTelemetry takes one provider for a process, which other tests may have set."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(_exporter))


@pytest.fixture(autouse=True)
def _no_spans() -> Iterator[None]:
    _exporter.clear()
    yield
    _exporter.clear()


@pytest.fixture
async def traced(jobs: JobService) -> Any:
    """A client of a service with the tracing plugin."""
    registry = Registry()
    for connector in (FakeConnector, PlainConnector):
        registry.register(connector)
    registry.wrap(tracing.wrap_verb)
    settings = ServiceSettings(port=0, metrics_port=0, grace=5.0, transport=TRANSPORT)
    service = ConnectorService(registry, settings)
    await service.start()
    async with Client(service.address) as client:
        yield client
    await service.stop()


@pytest.mark.parametrize("task_type", ["fake_job", "fake_plain"])
async def test_a_call_continues_its_callers_trace(traced: Client, task_type: str) -> None:
    """By the request's `traceparent`; its other metadata, the token among them, are in no span."""
    request = create_request(task_type)
    await traced.jobs.CreateTask(request, metadata=METADATA, timeout=5)
    (span,) = _exporter.get_finished_spans()
    assert span.name == f"{task_type} create"
    assert span.parent is not None
    assert trace.format_span_id(span.parent.span_id) == PARENT_ID
    assert trace.format_trace_id(span.parent.trace_id) == TRACE_ID
    assert "c4n4ry" not in span.to_json()


async def test_a_calls_parent_is_its_own(traced: Client) -> None:
    """The next call on the same connection, without one, begins a trace of its own."""
    request = create_request()
    await traced.jobs.CreateTask(request, metadata=METADATA, timeout=5)
    _exporter.clear()
    job = await traced.create(run="r2")
    await job.get()
    assert [span.parent for span in _exporter.get_finished_spans()] == [None, None]


async def test_metadata_are_read_for_wrappers_only(jobs: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without any pays nothing for them."""
    seen: list[Mapping[str, str]] = []
    create = FakeConnector.create

    async def noted(self: FakeConnector, *args: Any, **kwargs: Any) -> Any:
        seen.append(call_context.metadata.get())
        return await create(self, *args, **kwargs)

    monkeypatch.setattr(FakeConnector, "create", noted)
    async with hosting(connectors=[FakeConnector]) as service, Client(service.address) as client:
        await client.jobs.CreateTask(create_request(), metadata=METADATA, timeout=5)
    assert seen == [{}]
