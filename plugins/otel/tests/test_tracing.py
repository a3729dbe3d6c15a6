"""Traces: a span around every verb, within the caller's trace, and nothing secret in it."""

# A coroutine that blocks is one of the places where a verb runs.
# ruff: noqa: ASYNC251

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fake_jobs import (
    TASK_TYPE,
    JobConnector,
    JobService,
    create_request,
    delete_request,
    get_request,
    metrics_request,
    template,
    until,
)
from flyte_connectors import errors
from flyte_connectors._calls import context as call_context
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from flyte_connectors_otel import tracing

CANARY = "c4n4ry-in-a-trace"
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"  # the example of W3C Trace Context

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
def spans() -> Iterator[InMemorySpanExporter]:
    """What has been exported in this test."""
    _exporter.clear()
    yield _exporter
    _exporter.clear()


@pytest.fixture
def registry(service: JobService) -> Registry:
    registry = Registry()
    registry.register(JobConnector(service))
    registry.wrap(tracing.wrap_verb)
    return registry


def span_of(verb: str) -> ReadableSpan:
    (span,) = (span for span in _exporter.get_finished_spans() if span.name.endswith(f" {verb}"))
    return span


def everything_in(span: ReadableSpan) -> str:
    return str(span.to_json())


async def test_every_verb_has_a_span(dispatcher: Dispatcher) -> None:
    """Named by task type and verb; it names the job, too."""
    meta = (await dispatcher.create(create_request())).resource_meta
    await dispatcher.get(get_request(meta))
    await dispatcher.get_metrics(metrics_request(meta))
    await dispatcher.delete(delete_request(meta))
    finished = _exporter.get_finished_spans()
    verbs = ["create", "get", "get_metrics", "delete"]
    assert [span.name for span in finished] == [f"{TASK_TYPE} {verb}" for verb in verbs]
    for span, verb in zip(finished, verbs, strict=True):
        attributes = dict(span.attributes or {})
        assert attributes.pop("flyte.job").startswith("run1-a0-0-")  # type: ignore[union-attr]
        assert attributes == {
            "rpc.system": "grpc",
            "flyte.task_type": TASK_TYPE,
            "flyte.task_type_version": 0,
            "flyte.connector.verb": verb,
        }
        assert span.kind is SpanKind.SERVER
        assert span.parent is None
        assert span.status.status_code is StatusCode.UNSET


async def test_a_span_continues_the_callers_trace(dispatcher: Dispatcher) -> None:
    """Which the request's metadata name."""
    call_context.metadata.set({"traceparent": TRACEPARENT})
    await dispatcher.create(create_request())
    span = span_of("create")
    assert span.parent is not None
    assert span.context is not None
    assert trace.format_span_id(span.parent.span_id) == PARENT_ID
    assert trace.format_trace_id(span.context.trace_id) == TRACE_ID


@pytest.mark.parametrize("header", ["", "junk", "00-0-0-00", TRACEPARENT.upper(), "ff" * 500])
async def test_a_damaged_parent_is_no_parent(dispatcher: Dispatcher, header: str) -> None:
    """A caller can't make calls fail with it."""
    call_context.metadata.set({"traceparent": header})
    await dispatcher.create(create_request())
    assert span_of("create").parent is None


class Where(JobConnector):
    """Says which span is current where its code runs."""

    name = "Where"

    def __init__(self, service: JobService) -> None:
        super().__init__(service)
        self.seen: list[int] = []

    def _look(self) -> None:
        self.seen.append(trace.get_current_span().get_span_context().span_id)


class InACoroutine(Where):
    async def get(self, **kwargs: Any) -> Any:
        self._look()
        await asyncio.sleep(0)
        self._look()
        return await super().get(**kwargs)


class InAThread(Where):
    def get(self, **kwargs: Any) -> Any:
        self._look()
        return asyncio.run(super().get(**kwargs))


@pytest.mark.parametrize("kind", [InACoroutine, InAThread])
async def test_the_span_is_current_where_the_connector_runs(
    service: JobService, guard: CallGuard, kind: type[Where]
) -> None:
    """So that what a vendor's instrumented client sends continues the trace, in threads as well."""
    connector = kind(service)
    registry = Registry()
    registry.register(connector)
    registry.wrap(tracing.wrap_verb)
    dispatcher = Dispatcher(registry, guard)
    meta = (await dispatcher.create(create_request())).resource_meta
    await dispatcher.get(get_request(meta))
    context = span_of("get").context
    assert context is not None
    assert set(connector.seen) == {context.span_id}


async def test_the_span_is_current_on_a_loop_of_its_own(service: JobService) -> None:
    """Where a connector that blocks is moved to."""

    class Blocking(Where):
        async def get(self, **kwargs: Any) -> Any:
            self._look()
            time.sleep(0.3)
            return await super().get(**kwargs)

    connector = Blocking(service)
    registry = Registry()
    registry.register(connector)
    registry.wrap(tracing.wrap_verb)
    guard = CallGuard(isolate=True)
    guard.start()
    dispatcher = Dispatcher(registry, guard)
    meta = (await dispatcher.create(create_request())).resource_meta
    await dispatcher.get(get_request(meta))
    (bound,) = registry
    await until(lambda: guard._lane(bound).loop is not None)
    _exporter.clear()
    await dispatcher.get(get_request(meta))
    await guard.drain(5)
    context = span_of("get").context
    assert context is not None
    assert connector.seen[-1] == context.span_id


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.RateLimitedError(f"slow down, {CANARY}"), "RESOURCE_EXHAUSTED"),
        (errors.AuthenticationError(f"bad key {CANARY}"), "UNAUTHENTICATED"),
        (ValueError(f"bad key {CANARY}"), "ValueError"),
        (SystemExit(CANARY), "SystemExit"),
    ],
)
async def test_an_error_marks_the_span_without_its_text(
    dispatcher: Dispatcher, service: JobService, error: BaseException, code: str
) -> None:
    """Its code, or its class: a text may hold what must not leave the service."""
    meta = (await dispatcher.create(create_request())).resource_meta
    service.faults["get"].append(error)
    with pytest.raises(errors.ConnectorError):
        await dispatcher.get(get_request(meta))
    span = span_of("get")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == code
    assert not span.events
    assert CANARY not in everything_in(span)


async def test_a_call_whose_time_is_up_is_an_error(dispatcher: Dispatcher, service: JobService) -> None:
    """It ends then, and is not left open."""
    meta = (await dispatcher.create(create_request())).resource_meta
    service.before["get"] = lambda: asyncio.sleep(60)
    with pytest.raises(errors.DeadlineExceededError):
        await dispatcher.get(get_request(meta), 0.05)
    assert span_of("get").status.status_code is StatusCode.ERROR


async def test_a_span_holds_no_secret_and_no_argument(dispatcher: Dispatcher) -> None:
    """Inputs, outputs, secrets and metadata other than the parent stay out of it."""
    call_context.metadata.set({"traceparent": TRACEPARENT, "authorization": f"Bearer {CANARY}"})
    task = template({"text": str}, custom={"secrets": {"key": "vendor-key"}})
    connection = {"secrets": {"key": CANARY}, "configs": {"config": CANARY}}
    await dispatcher.create(create_request(task, values={"text": CANARY}, connection=connection))
    assert CANARY not in everything_in(span_of("create"))


async def test_a_retried_call_has_a_span_for_each_try(dispatcher: Dispatcher, service: JobService) -> None:
    """Which shows where the time went."""
    service.faults["create"].append(errors.ServiceUnavailableError("away"))
    await dispatcher.create(create_request(), 5)
    first, second = _exporter.get_finished_spans()
    assert first.status.description == "UNAVAILABLE"
    assert second.status.status_code is StatusCode.UNSET
