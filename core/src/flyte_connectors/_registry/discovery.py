"""Load the installed plugins, and report the load status of each.

Plugins are entry points of the group `flyte.connectors`. Each is loaded by itself, so a broken one
does not affect the others; what is blocked is never imported. An entry point that names an extra of
its distribution (`acme = "acme.plugin [extra]"`) is there only where that extra is installed.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
import sys
import types
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flyte_connectors._registry.installed import (
    FLYTEKIT_PLUGINS,
    InstalledPlugin,
    Selection,
    distribution_of,
    installed_plugins,
)
from flyte_connectors._registry.plugin_hooks import Hook, hooks_of, installed_hooks
from flyte_connectors._registry.table import Registry, is_ours, needs_official, official_sdk_of, registering_for
from flyte_connectors.bound import BoundConnector
from flyte_connectors.connector import AsyncConnector, SyncConnector, TaskCategory
from flyte_connectors.errors import DuplicateTaskTypeError, RegistrationError

logger = logging.getLogger(__name__)

_CONNECTORS = (AsyncConnector, SyncConnector)
_NO_CONNECTOR = "registers no connector"


class Status(enum.Enum):
    """The result of loading a plugin."""

    LOADED = "loaded"
    FAILED = "failed"
    BLOCKED = "blocked"
    SHADOWED = "shadowed"
    UNAVAILABLE = "unavailable"


@dataclasses.dataclass(eq=False, repr=False)
class PluginReport:
    """The load status of one entry point.

    Attributes:
        entry_point: Its name.
        distribution: The package that brings it, and `version` of that.
        extras: Those of the distribution that it needs.
        status: Whether it is loaded, and `reason` in one line where it is not: FAILED if it is
            broken, UNAVAILABLE if an extra of its distribution is not installed.
        connectors: What it registered.
        hooks: The hooks besides the verbs that it has, such as `wrap_verb`.
    """

    entry_point: str
    distribution: str
    version: str
    status: Status
    reason: str = ""
    connectors: list[BoundConnector] = dataclasses.field(default_factory=list)
    extras: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Distribution and version, such as `flyte-connectors-batch-job 0.1.0`."""
        return f"{self.distribution} {self.version}"


def load_plugins(
    registry: Registry, *, allow: Iterable[str] | None = None, deny: Iterable[str] | None = None
) -> list[PluginReport]:
    """Load every installed plugin that is not blocked into `registry`.

    Args:
        registry: Where the connectors go; its `failures` are filled too.
        allow: Names of the only distributions or entry points to load; None reads
            `FLYTE_CONNECTORS_ALLOW` (comma-separated; unset allows all, empty allows none).
        deny: Names never to load; None reads `FLYTE_CONNECTORS_DENY`.

    Returns:
        One report per entry point, ordered by distribution and name; none for those whose extra is
        not installed.
    """
    registry.selection = Selection.of(allow, deny)
    for name, similar in registry.selection.unknown().items():
        hint = f"; did you mean '{similar}'?" if similar else ""
        logger.warning("no installed plugin is called '%s' (from the allow-list or deny-list)%s", name, hint)
    reports = []
    for entry_point in (*installed_plugins(), *_flytekit_plugins(registry.selection)):
        report = _load(registry, entry_point)
        if report is None or _is_of_no_concern(entry_point, report):
            continue
        if report.status in (Status.FAILED, Status.UNAVAILABLE):
            registry.failures.append(f"{report.entry_point} ({report.source}): {report.reason}")
        reports.append(report)
    return reports


def _flytekit_plugins(selection: Selection) -> list[InstalledPlugin]:
    """The plugins of flytekit, where an installed plugin can host their connectors."""
    found = installed_plugins(FLYTEKIT_PLUGINS)
    return found if found and any(installed_hooks("adapt", selection)) else []


def _is_of_no_concern(entry_point: InstalledPlugin, report: PluginReport) -> bool:
    """Whether a plugin of flytekit has no connector; one that is broken keeps nothing from starting."""
    if entry_point.group != FLYTEKIT_PLUGINS:
        return False
    if report.status is Status.FAILED:
        report.status = Status.UNAVAILABLE
    return report.status is Status.BLOCKED or report.reason == _NO_CONNECTOR


def load_module(
    registry: Registry, module: types.ModuleType, source: str, before: Collection[BoundConnector] = ()
) -> list[BoundConnector]:
    """Register what an imported module offers.

    Args:
        registry: Where the connectors go.
        module: A module that has registered connectors while it was imported, has `@hookimpl`
            functions, or defines connector classes; its other hooks are taken, too.
        source: Name of its origin for messages.
        before: Connectors that were there before it was imported.

    Returns:
        Its connectors, including those registered by an earlier import of it.

    Raises:
        RegistrationError: a connector in it breaks the contract.
    """
    hooks = hooks_of(module)
    connectors = [
        bound for bound in registry if (bound.source == source and bound not in before) or _is_from(bound, module)
    ]
    if not connectors:
        own = [module] if hasattr(module, "task_type_name") else _classes(module)
        offered = own or ([] if hooks else registry.adapted(module))
        connectors = [registry.register(connector, source=source) for connector in offered]
    if not connectors and not hooks:
        _check_foreign(module)
    registry.take_hooks(hooks)
    return connectors


def _check_foreign(module: types.ModuleType) -> None:
    """Raise if a module has only connectors of the official SDK, and no plugin hosts those."""
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            sdk = official_sdk_of(value)
            if sdk is not None and hasattr(value, "task_type_name"):
                raise needs_official(value.__name__, sdk)


def _classes(module: types.ModuleType) -> list[type]:
    """The connector classes that a module defines, without those it has only imported."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, _CONNECTORS)
        and value.__module__ == module.__name__
        and hasattr(value, "task_type_name")
    ]


def _load(registry: Registry, entry_point: InstalledPlugin) -> PluginReport | None:
    distribution, version = distribution_of(entry_point)
    report = PluginReport(
        entry_point=entry_point.name,
        distribution=distribution,
        version=version,
        status=Status.LOADED,
        reason=registry.selection.refuses(entry_point),
        extras=tuple(entry_point.extras),
    )
    if report.reason:
        report.status = Status.BLOCKED
        return report
    try:
        with registry.transaction(), registering_for(report.source):
            _fill(report, registry, entry_point)
    except DuplicateTaskTypeError as error:
        report.status, report.reason = Status.SHADOWED, error.message
    except RegistrationError as error:
        report.status, report.reason = Status.FAILED, error.message
    except (Exception, SystemExit) as error:
        from flyte_connectors._registry.extras import lacks_own_extra, missing_extra

        if lacks_own_extra(entry_point, error):
            return None
        logger.debug("plugin %s failed to load", entry_point.name, exc_info=True)
        report.status, report.reason = Status.FAILED, _reason(error)
        extra = missing_extra(entry_point, error)
        if extra:
            report.status = Status.UNAVAILABLE
            report.reason = f'{error}: pip install "{report.distribution}[{extra}]"'
    return report


def _fill(report: PluginReport, registry: Registry, entry_point: InstalledPlugin) -> None:
    """Load a plugin and report what it registers.

    Raises:
        RegistrationError: it registers nothing, or what breaks the contract.
    """
    before = set(registry)
    plugin = entry_point.load()
    hooks = hooks_of(plugin)
    connectors = _register(registry, plugin, report.source, before, hooks)
    if not isinstance(plugin, types.ModuleType) and not _is_ours(plugin):
        _register_beside(registry, entry_point, report.source)
    connectors += [
        bound for bound in registry if bound.source == report.source and bound not in before and bound not in connectors
    ]
    if not connectors and not hooks:
        raise RegistrationError(_NO_CONNECTOR)
    report.connectors, report.hooks = connectors, tuple(hooks)


def _register(
    registry: Registry, plugin: Any, source: str, before: Collection[BoundConnector], hooks: Mapping[str, Hook]
) -> list[BoundConnector]:
    if isinstance(plugin, types.ModuleType):
        return load_module(registry, plugin, source, before)
    if hooks and not hasattr(plugin, "task_type_name"):
        registry.take_hooks(hooks)
        return []
    known = [bound for bound in registry if _is_same(bound, plugin, source)]
    connectors = known or [registry.register(plugin, source=source)]
    registry.take_hooks(hooks)
    return connectors


def _register_beside(registry: Registry, entry_point: InstalledPlugin, source: str) -> None:
    """Register the other connectors that the import has registered with the official SDK."""
    served = {bound.category for bound in registry if bound.source == source}
    for connector in registry.adapted(_package(entry_point)):
        category = TaskCategory(connector.task_type_name, connector.task_type_version)
        if category not in served:
            registry.register(connector, source=source)


def _is_ours(plugin: Any) -> bool:
    return is_ours(plugin) or (isinstance(plugin, type) and issubclass(plugin, _CONNECTORS))


def _package(entry_point: InstalledPlugin) -> types.ModuleType:
    """The package of an entry point's module, or the module if it is not in a package."""
    package = sys.modules.get(entry_point.module.rpartition(".")[0])
    if package is None or getattr(package, "__file__", None) is None:  # it may be shared by others
        return sys.modules[entry_point.module]
    return package


def _is_same(bound: BoundConnector, plugin: Any, source: str) -> bool:
    """Whether `plugin` is what `bound` was made from, be it through an adapter."""
    if plugin in (bound.plugin, type(bound.plugin)):
        return True
    return (
        bound.source == source
        and bound.plugin.__module__ == plugin.__module__
        and bound.category.name == plugin.task_type_name
        and bound.category.version == getattr(plugin, "task_type_version", 0)
    )


def _reason(error: BaseException) -> str:
    missing = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in ("flyte", "flytekit"):
        return f"it needs the official SDK, which is not installed ({error}): pip install {missing}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _is_from(bound: BoundConnector, module: types.ModuleType) -> bool:
    """Whether the connector was registered by `module`, or in its package, without a source."""
    return f"{bound.source}.".startswith(f"{module.__name__}.")
