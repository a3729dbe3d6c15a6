"""Writes docs/catalogue.md: what each package of plugins brings, as the installed ones say it.

python docs/catalogue.py
"""

from __future__ import annotations

import importlib
import inspect
import re
from importlib.metadata import Distribution, distribution
from pathlib import Path
from types import ModuleType

from flyte_connectors._registry.discovery import PluginReport, load_plugins
from flyte_connectors._registry.installed import Selection
from flyte_connectors._registry.plugin_hooks import hooks_of
from flyte_connectors._registry.table import Registry
from flyte_connectors.bound import BoundConnector
from flyte_connectors.cli.plugin_commands import plugin_commands
from flyte_connectors.service.plugin_settings import installed_settings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "catalogue.md"

HEAD = """\
# Catalogue

What each package of this project brings: task types, names to import, commands, settings. This page is generated from the
installed packages by `python docs/catalogue.py`.

| abilities | |
|---|---|
| job | starts a job, polls it and cancels it |
| answer | answers within the call: no job |
| logs, metrics | `flyte-connectors logs` and the console show them |
| polls in batches | many jobs are read with one question (`get_many`) |
"""


def page() -> str:
    """The whole page."""
    reports = load_plugins(Registry())
    parts = [HEAD]
    for folder in sorted(ROOT.glob("plugins/*")):
        if (folder / "pyproject.toml").exists():
            found = distribution(f"flyte-connectors-{folder.name.replace('_', '-')}")
            parts.append(_section(folder.name, found, reports))
    return "\n".join(parts)


def _section(folder: str, found: Distribution, reports: list[PluginReport]) -> str:
    name = found.metadata["Name"]
    module = importlib.import_module(name.replace("-", "_"))
    title = folder.replace("_", "-")
    lines = [f"## {title}", "", f"{found.metadata['Summary'].rstrip('.')}.", ""]
    lines += [f"`{name}`: [README](../plugins/{folder}/README.md).", ""]
    own = [report for report in reports if report.distribution == name]
    connectors = [bound for report in own for bound in report.connectors]
    if connectors:
        lines += ["| task type | connector | abilities |", "|---|---|---|"]
        lines += [_connector(bound) for bound in connectors]
        lines += [""]
    exported = [
        export for export in getattr(module, "__all__", ()) if _is_for_users(module, export)
    ]
    if exported:
        lines += [f"| `from {module.__name__} import` | |", "|---|---|"]
        lines += [
            f"| `{export}` | {_first_sentence(getattr(module, export))} |" for export in exported
        ]
        lines += [""]
    lines += _also(module)
    return "\n".join(lines)


def _connector(bound: BoundConnector) -> str:
    verbs = bound.verbs
    abilities = ["answer" if "do" in verbs else "job"]
    abilities += ["logs"] if "get_logs" in verbs else []
    abilities += ["metrics"] if "get_metrics" in verbs else []
    abilities += ["polls in batches"] if "get_many" in verbs else []
    return f"| `{bound.category.name}` | {bound.name} | {', '.join(abilities)} |"


def _is_for_users(module: ModuleType, name: str) -> bool:
    return not name.islower() or name not in hooks_of(module)


def _first_sentence(value: object) -> str:
    paragraph = " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
    return re.split(r"(?<=\.) ", paragraph, maxsplit=1)[0].replace("|", "\\|")


def _also(module: ModuleType) -> list[str]:
    lines = []
    commands = [
        command
        for command, entry in plugin_commands(()).items()
        if entry.module.partition(".")[0] == module.__name__
    ]
    if commands:
        shown = ", ".join(
            f"[`flyte-connectors {command}`](cli.md#{command})" for command in commands
        )
        lines += [f"Commands: {shown}.", ""]
    tables = [
        table
        for table, settings in installed_settings(Selection()).items()
        if settings.__module__.partition(".")[0] == module.__name__
    ]
    if tables:
        shown = ", ".join(f"`[plugins.{table}]`" for table in tables)
        lines += [f"Settings: {shown} in [settings of plugins](plugin-settings.md).", ""]
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
