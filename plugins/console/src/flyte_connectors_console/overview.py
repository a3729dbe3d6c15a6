"""What the first page says about plugins and connectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from flyte_connectors._registry.discovery import PluginReport
    from flyte_connectors.bound import BoundConnector

_OK = "OK"
_ORDER = {"failed": -1, "loaded": 1, "blocked": 2}
_FAULTS_OF_CALLERS = {"CANCELLED", "INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED"}


def plugin_rows(reports: Iterable[PluginReport]) -> list[dict[str, Any]]:
    """The load status of each plugin, those that need attention first."""
    rows = [
        {
            "name": report.entry_point,
            "source": report.source,
            "status": report.status.value,
            "reason": report.reason,
            "types": ", ".join(bound.category.name for bound in report.connectors),
            "hooks": ", ".join(report.hooks),
        }
        for report in reports
    ]
    return sorted(rows, key=lambda row: _ORDER.get(row["status"], 0))


def connector_rows(
    connectors: Iterable[BoundConnector], isolated: Collection[BoundConnector] = ()
) -> list[dict[str, Any]]:
    """Each connector, and how its calls went."""
    rows = []
    for bound in connectors:
        calls = [verb.calls for verb in bound.verbs.values()]
        codes = [pair for series in calls for pair in list(series.by_code.items())]
        rows.append(
            {
                "type": bound.category.name,
                "version": bound.category.version,
                "name": bound.name,
                "source": bound.source,
                "verbs": ", ".join(bound.verbs),
                "calls": sum(number for _, number in codes),
                "running": sum(series.in_flight for series in calls),
                "errors": sum(number for code, number in codes if code not in {_OK, *_FAULTS_OF_CALLERS}),
                "isolated": bound in isolated,
            }
        )
    return sorted(rows, key=lambda row: row["type"])


def remote_rows(reply: Any) -> list[dict[str, Any]]:
    """The connectors of a service elsewhere, which reports their names only."""
    return [
        {
            "type": category.name,
            "version": category.version,
            "name": connector.name,
            "source": "",
            "verbs": "",
            "calls": None,
            "running": None,
            "errors": None,
            "isolated": False,
        }
        for connector in reply.connectors
        for category in connector.supported_task_categories
    ]
