"""OpenTelemetry traces: a span around every call of a connector.

A plugin with the hook `wrap_verb`. Spans go wherever the process sends them; to an exporter with
`opentelemetry-instrument flyte-connectors serve`. The span continues the caller's trace (W3C `traceparent` in the gRPC
metadata) and is current while the connector runs, so that what the connector calls continues it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors import hookimpl
from flyte_connectors._calls.context import current, metadata
from flyte_connectors.errors import ConnectorError
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from flyte_connectors.bound import Call, Verb

_tracer = trace.get_tracer("flyte_connectors")


@hookimpl
def wrap_verb(verb: Verb, call: Call) -> Call:
    """`call` within a span named `<task type> <verb>`.

    `call` itself where no tracer provider is set when the verb is first called.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return call
    category = verb.connector.category
    name = f"{category.name} {verb.name}"
    attributes: dict[str, str | int] = {
        "rpc.system": "grpc",
        "flyte.task_type": category.name,
        "flyte.task_type_version": category.version,
        "flyte.connector.verb": verb.name,
    }

    async def traced(arguments: Mapping[str, Any]) -> Any:
        parent = propagate.extract(dict(metadata.get()))
        with _tracer.start_as_current_span(
            name,
            parent,
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,  # an exception's text may hold what the wire must not
            set_status_on_exception=False,
        ) as span:
            context = current.get()
            if context is not None and context.key:
                span.set_attribute("flyte.job", context.key)
            try:
                return await call(arguments)
            except BaseException as error:  # a call whose time is up is cancelled
                code = error.code if isinstance(error, ConnectorError) else type(error).__name__
                span.set_status(Status(StatusCode.ERROR, code))
                raise

    return traced
