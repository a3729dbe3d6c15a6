"""The HTTP side of the service: /metrics for Prometheus, /healthz and /readyz for probes.

It runs in a thread of its own, so a slow scrape delays no call. Labels come from the registry, never
from a request, so the number of series is bounded by what is installed.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.discovery import PluginReport, Status
from flyte_connectors._registry.table import Registry
from flyte_connectors.bound import Verb
from flyte_connectors.call_series import SECONDS_BOUNDS

_LABELS = ("task_type", "version", "verb")
_SECONDS_TO_CLOSE = 0.05  # how soon the server notices; an ending service waits for it


class CallCollector(Collector):
    """The call metrics of every verb, and the load report, as Prometheus metrics."""

    def __init__(
        self,
        registry: Registry,
        reports: Iterable[PluginReport],
        faults: TransientFaults | None = None,
    ) -> None:
        self._registry = registry
        self._reports = list(reports)
        self._faults = faults

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        calls = CounterMetricFamily(
            "flyte_connectors_calls",
            "Finished calls of connector verbs by gRPC status code.",
            labels=(*_LABELS, "code"),
        )
        seconds = HistogramMetricFamily(
            "flyte_connectors_call_seconds", "Duration of connector verbs.", labels=_LABELS
        )
        in_flight = GaugeMetricFamily(
            "flyte_connectors_calls_in_flight", "Connector verbs that run now.", labels=_LABELS
        )
        for verb in self._verbs():
            category = verb.connector.category
            labels = (category.name, str(category.version), verb.name)
            for code, count in list(verb.calls.by_code.items()):
                calls.add_metric((*labels, code), count)
            buckets = itertools.accumulate(verb.calls.buckets)
            bounds = (*map(str, map(float, SECONDS_BOUNDS)), "+Inf")
            seconds.add_metric(
                labels, list(zip(bounds, buckets, strict=True)), sum_value=verb.calls.seconds_sum
            )
            in_flight.add_metric(labels, verb.calls.in_flight)
        yield from (calls, seconds, in_flight, self._plugins(), self._absorbed())

    def _verbs(self) -> Iterator[Verb]:
        for connector in self._registry:
            yield from connector.verbs.values()

    def _plugins(self) -> Metric:
        plugins = GaugeMetricFamily(
            "flyte_connectors_plugins", "Installed plugins by how they fared.", labels=("status",)
        )
        for status in Status:
            number = sum(report.status is status for report in self._reports)
            plugins.add_metric((status.value,), number)
        return plugins

    def _absorbed(self) -> Metric:
        absorbed = CounterMetricFamily(
            "flyte_connectors_faults_absorbed",
            "Faults of get by what became of them: retried, answered RUNNING, or the job given up.",
            labels=("outcome",),
        )
        if self._faults is not None:
            for outcome, count in vars(self._faults.counts).items():
                absorbed.add_metric((outcome,), count)
        return absorbed


class Readiness(Protocol):
    """Whatever knows whether calls are taken."""

    serving: bool


class HttpEndpoint:
    """The HTTP server.

    Args:
        listening: A socket that listens; closed with the endpoint.
        readiness: What /readyz answers by.
        collector: What /metrics shows.
    """

    def __init__(
        self, listening: socket.socket, readiness: Readiness, collector: Collector
    ) -> None:
        metrics = CollectorRegistry()
        metrics.register(collector)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    self._answer(200, generate_latest(metrics), CONTENT_TYPE_LATEST)
                elif path == "/healthz":
                    self._answer(200, b"alive\n")
                elif path == "/readyz":
                    ready = readiness.serving
                    self._answer(200 if ready else 503, b"ready\n" if ready else b"not ready\n")
                else:
                    self._answer(404, b"try /metrics, /healthz or /readyz\n")

            def _answer(self, status: int, body: bytes, content: str = "text/plain") -> None:
                self.send_response(status)
                self.send_header("Content-Type", content)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any, **__: Any) -> None:
                """Probes and scrapes every few seconds are not worth a line."""

        address = listening.getsockname()[:2]
        self._server = ThreadingHTTPServer(address, Handler, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listening
        self._server.daemon_threads = True
        serve = partial(self._server.serve_forever, poll_interval=_SECONDS_TO_CLOSE)
        threading.Thread(target=serve, name="http", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
