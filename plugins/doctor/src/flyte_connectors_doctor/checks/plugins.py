"""The installed plugins: whether each loads, and whether its task types are its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flyte_connectors._registry.discovery import PluginReport, Status
from flyte_connectors._registry.table import Registry

from flyte_connectors_doctor import finding
from flyte_connectors_doctor.finding import Finding

CHECK = "plugins"

_FIXES = {
    Status.FAILED: "install a release that loads here, or exclude it: deny = ['{name}']",
    Status.SHADOWED: "uninstall one of the two, or exclude this one: deny = ['{name}']",
    Status.UNAVAILABLE: "install what is missing, or exclude it: deny = ['{name}']",
}


def check(reports: Sequence[PluginReport], registry: Registry) -> Iterator[Finding]:
    """A finding for each plugin, and one for each name in a list that no plugin has."""
    for name, similar in registry.selection.unknown().items():
        text = "no installed plugin has this name, which the allow-list or deny-list holds"
        fix = f"write '{similar}'" if similar else "correct or remove it: see `flyte-connectors list`"
        yield Finding(CHECK, finding.Status.FAULT, name, text, fix)
    for report in reports:
        name = f"{report.entry_point} ({report.source})"
        if report.status is Status.LOADED:
            types = ", ".join(bound.category.name for bound in report.connectors)
            yield Finding(CHECK, finding.Status.OK, name, types or " ".join(report.hooks))
        elif report.status is Status.BLOCKED:
            yield Finding(CHECK, finding.Status.OK, name, f"excluded: {report.reason}")
        else:
            is_optional = report.status is Status.UNAVAILABLE
            status = finding.Status.WARNING if is_optional else finding.Status.FAULT
            fix = _FIXES[report.status].format(name=report.entry_point)
            yield Finding(CHECK, status, name, report.reason, fix)
    if not list(registry):
        text = "no task type would be served, so the service would answer NOT_SERVING"
        fix = "install a plugin, such as flyte-connectors[batch-job], or name modules with --module"
        yield Finding(CHECK, finding.Status.FAULT, "task types", text, fix)
