"""`flyte-connectors list`: every installed plugin, how it loaded, and what it serves."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from flyte_connectors._registry.discovery import PluginReport, Status, load_plugins
from flyte_connectors._registry.table import process_registry
from flyte_connectors.cli.table import print_table

_COLOURS = {
    Status.LOADED: "green",
    Status.FAILED: "red",
    Status.BLOCKED: "yellow",
    Status.SHADOWED: "yellow",
    Status.UNAVAILABLE: "yellow",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `list`."""
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="print JSON for programs")
    formats.add_argument(
        "--requirements",
        action="store_true",
        help="print the packages of the plugins and the core, pinned, as pip reads them",
    )


def run(options: argparse.Namespace) -> int:
    """Print the load report."""
    reports = load_plugins(process_registry())
    if options.json:
        print(json.dumps([_as_json(report) for report in reports], indent=2))
        return 0
    if options.requirements:
        print("\n".join(_pins(reports)))
        return 0
    rows = [row for report in reports for row in _rows(report)]
    print_table(
        ("PLUGIN", "DISTRIBUTION", "STATUS", "TASK TYPE", "KIND", "VERBS", "REASON"),
        rows,
        empty="no plugins are installed: try pip install 'flyte-connectors[batch-job]'",
        colours={status.value: colour for status, colour in _COLOURS.items()},
    )
    return 0


def _rows(report: PluginReport) -> list[tuple[str, ...]]:
    start = (report.entry_point, report.source, report.status.value)
    hooks: list[tuple[str, ...]] = [(*start, "", "hooks", " ".join(report.hooks), "")] if report.hooks else []
    if not report.connectors:
        return hooks or [(*start, "", "", "", report.reason)]
    return hooks + [
        (
            *start,
            f"{bound.category.name} ({bound.category.version})",
            "sync" if bound.is_sync else "async",
            " ".join(bound.verbs),
            "",
        )
        for bound in report.connectors
    ]


def _pins(reports: Iterable[PluginReport]) -> list[str]:
    """Requirements that bring the same plugins to another host, blocked and broken ones included."""
    from importlib.metadata import version

    core = "flyte-connectors"
    versions, extras = {core: version(core)}, defaultdict[str, set[str]](set)
    for report in reports:
        versions[report.distribution] = report.version
        extras[report.distribution].update(report.extras)
    return [
        f"{name}{'[' + ','.join(sorted(extras[name])) + ']' if extras[name] else ''}=={pinned}"
        for name, pinned in sorted(versions.items())
    ]


def _as_json(report: PluginReport) -> dict[str, Any]:
    return {
        "plugin": report.entry_point,
        "distribution": report.distribution,
        "version": report.version,
        "status": report.status.value,
        "reason": report.reason,
        "hooks": list(report.hooks),
        "connectors": [
            {
                "name": bound.name,
                "task_type": bound.category.name,
                "task_type_version": bound.category.version,
                "kind": "sync" if bound.is_sync else "async",
                "verbs": list(bound.verbs),
            }
            for bound in report.connectors
        ],
    }
