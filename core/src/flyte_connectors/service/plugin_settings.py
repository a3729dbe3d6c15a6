"""The settings of the installed plugins: tables of the TOML file, handed on as environment variables.

A plugin declares them with `flyte_connectors.settings.PluginSettings`. Variables reach the plugin in
every process: the service's workers, a batch job's supervisor, a local run.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from flyte_connectors._calls.suggestions import did_you_mean
from flyte_connectors._registry.installed import InstalledPlugin, Selection, installed_plugins
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.settings import CONFIG_VARIABLE, PLUGINS, check_spelling, read_file
from flyte_connectors.settings import Declared, PluginSettings, as_text, as_toml, declared, from_texts, parse_value

GROUP = "flyte.connectors.settings"
"""The group of entry points that declare settings."""

logger = logging.getLogger(__name__)


class PluginTables:
    """The settings of the installed plugins.

    Args:
        selection: Which plugins may be loaded.
        environment: Environment variables; the process's by default.
        config: Path of the TOML file; from `FLYTE_CONNECTORS_CONFIG` by default.

    Attributes:
        classes: The settings class of each plugin that has one, by the name of its table.
        sources: Where each variable's value comes from; none for defaults.

    Raises:
        SettingsError: a table or key is unknown, or a value invalid.
    """

    def __init__(
        self, selection: Selection, environment: Mapping[str, str] | None = None, config: str | None = None
    ) -> None:
        environment = os.environ if environment is None else environment
        path = config or environment.get(CONFIG_VARIABLE)
        tables = read_file(path).get(PLUGINS, {}) if path else {}
        self.classes = installed_settings(selection)
        self._texts: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        known = {_table_of(point) for point in installed_plugins(GROUP)}
        if not isinstance(tables, dict):
            raise SettingsError("must be a table", field=f"{path}: {PLUGINS}")
        for key, table in tables.items():
            name, where = key.replace("_", "-"), f"{path}: [{PLUGINS}.{key}]"
            if name not in known:
                text = f"available: {', '.join(sorted(known)) or 'none'}"
                raise SettingsError(f"no installed plugin has these settings; {text}", field=where)
            if name in self.classes:
                self._take(self.classes[name], table, where, str(path))
        for settings in self.classes.values():
            variables = [one.variable for one in declared(settings)]
            check_spelling(environment.keys(), settings.variable_prefix, variables)
            for variable in environment.keys() & set(variables):
                self._texts[variable], self.sources[variable] = environment[variable], variable
            from_texts(settings, self._texts)

    def export(self) -> None:
        """Have every plugin, in this process and those that it starts, read these settings."""
        os.environ.update(self._texts)

    def as_toml(self) -> str:
        """The settings as tables of a TOML file, each with a comment that says where it comes from."""
        lines = []
        for name, settings in self.classes.items():
            lines += ["", f"[{PLUGINS}.{name}]"]
            values = from_texts(settings, self._texts)
            for one in declared(settings):
                value: Any = values
                for step in one.path:
                    value = getattr(value, step)
                text = f"{one.key} = {as_toml(value)}  # {self.sources.get(one.variable, 'default')}"
                lines.append(f"# {one.key} is not set" if value in (None, "") else text)
        return "".join(f"{line}\n" for line in lines)

    def _take(self, settings: type, table: Any, where: str, path: str) -> None:
        known = {one.key: one for one in declared(settings)}
        for key, value in _leaves(table, known, where):
            one = known[key]
            parse_value(one.metadata, value, f"{where} {key}")
            self._texts[one.variable], self.sources[one.variable] = as_text(value), path


def installed_settings(selection: Selection) -> dict[str, type[PluginSettings]]:
    """The settings classes of the installed plugins by the names of their tables.

    One that can't be loaded is logged and left out.
    """
    found = {}
    for point in installed_plugins(GROUP):
        if selection.refuses(point):
            continue
        try:
            found[_table_of(point)] = point.load()
        except (Exception, SystemExit) as error:
            logger.warning("the settings of plugin %s failed to load: %s", point.name, error)
    return found


def _table_of(point: InstalledPlugin) -> str:
    return point.name.replace("_", "-")


def _leaves(table: Any, known: Mapping[str, Declared], where: str, above: str = "") -> Iterator[tuple[str, Any]]:
    """The settings in a table, by dotted key."""
    if not isinstance(table, dict):
        raise SettingsError("must be a table", field=where)
    for name, value in table.items():
        key = above + name.replace("_", "-")
        if key in known:
            yield key, value
        elif isinstance(value, dict) and any(other.startswith(f"{key}.") for other in known):
            yield from _leaves(value, known, where, f"{key}.")
        else:
            raise SettingsError(f"unknown key{did_you_mean(key, known)}", field=f"{where} {key}")
