"""The metrics of the service, in the form of Prometheus.

Labels come from the registry, never from a request, so the number of series is bounded by what is installed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from prometheus_client import core
from prometheus_client.registry import Collector

from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.discovery import PluginReport, Status
from flyte_connectors._registry.table import Registry
from flyte_connectors.bound import Verb
from flyte_connectors.call_series import SECONDS_BOUNDS

_LABELS = ("task_type", "version", "verb")


class CallCollector(Collector):
    """The call metrics of every verb, and the load report, as Prometheus metrics."""

    def __init__(
        self,
        registry: Registry,
        reports: Iterable[PluginReport],
        faults: TransientFaults | None = None,
        guard: CallGuard | None = None,
    ) -> None:
        self._registry = registry
        self._reports = list(reports)
        self._faults = faults
        self._guard = guard

    def collect(self) -> Iterator[core.Metric]:
        """The metrics as they are now."""
        calls = core.CounterMetricFamily(
            "flyte_connectors_calls",
            "Finished calls of connector verbs by gRPC status code.",
            labels=(*_LABELS, "code"),
        )
        seconds = core.HistogramMetricFamily(
            "flyte_connectors_call_seconds", "Duration of connector verbs.", labels=_LABELS
        )
        in_flight = core.GaugeMetricFamily(
            "flyte_connectors_calls_in_flight", "Connector calls in progress.", labels=_LABELS
        )
        for verb in self._verbs():
            category = verb.connector.category
            labels = (category.name, str(category.version), verb.name)
            for code, count in list(verb.calls.by_code.items()):
                calls.add_metric((*labels, code), count)
            buckets = itertools.accumulate(verb.calls.buckets)
            bounds = (*map(str, map(float, SECONDS_BOUNDS)), "+Inf")
            seconds.add_metric(labels, list(zip(bounds, buckets, strict=True)), sum_value=verb.calls.seconds_sum)
            in_flight.add_metric(labels, verb.calls.in_flight)
        yield from (calls, seconds, in_flight, self._isolated(), self._plugins(), self._absorbed())

    def _verbs(self) -> Iterator[Verb]:
        for connector in self._registry:
            yield from connector.verbs.values()

    def _isolated(self) -> core.Metric:
        isolated = core.GaugeMetricFamily(
            "flyte_connectors_isolated",
            "Whether a connector is isolated on a separate event loop because it has blocked the shared one.",
            labels=("task_type", "version"),
        )
        alone = [] if self._guard is None else self._guard.isolated
        for connector in self._registry:
            category = connector.category
            isolated.add_metric((category.name, str(category.version)), connector in alone)
        return isolated

    def _plugins(self) -> core.Metric:
        plugins = core.GaugeMetricFamily(
            "flyte_connectors_plugins", "Installed plugins by load status.", labels=("status",)
        )
        for status in Status:
            number = sum(report.status is status for report in self._reports)
            plugins.add_metric((status.value,), number)
        return plugins

    def _absorbed(self) -> core.Metric:
        absorbed = core.CounterMetricFamily(
            "flyte_connectors_faults_absorbed",
            "Transient errors of get by result: retried, answered with RUNNING, or job counted as lost.",
            labels=("outcome",),
        )
        if self._faults is not None:
            for outcome, count in vars(self._faults.counts).items():
                absorbed.add_metric((outcome,), count)
        return absorbed
