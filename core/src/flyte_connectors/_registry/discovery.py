"""Find and load the installed plugins, and keep a report of how each one fared.

Plugins are entry points of the group `flyte.connectors`. Each is loaded by itself, so a broken one
costs nobody else anything; what is blocked is never imported. An entry point that names an extra of
its distribution (`otel = "flyte_connectors._calls.tracing [otel]"`) is there only where that extra is installed.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
import os
import re
import sys
import types
from collections.abc import Collection, Iterable
from typing import Any

if sys.version_info >= (3, 11):
    from importlib.metadata import EntryPoint, entry_points
else:
    from importlib_metadata import EntryPoint, entry_points

from flyte_connectors import hookspecs
from flyte_connectors._registry.table import Registry, registering_for
from flyte_connectors.bound import BoundConnector
from flyte_connectors.compat import official_sdk
from flyte_connectors.connector import AsyncConnector, SyncConnector
from flyte_connectors.errors import DuplicateTaskTypeError, RegistrationError

logger = logging.getLogger(__name__)

ALLOW_VARIABLE = "FLYTE_CONNECTORS_ALLOW"
DENY_VARIABLE = "FLYTE_CONNECTORS_DENY"

_DOOR_TO_OFFICIAL_SERVICE = "flyte_connectors.compat.in_official_service"


class Status(enum.Enum):
    """How a plugin fared."""

    LOADED = "loaded"
    FAILED = "failed"
    BLOCKED = "blocked"
    SHADOWED = "shadowed"


@dataclasses.dataclass(eq=False)
class PluginReport:
    """What became of one entry point.

    Attributes:
        entry_point: Its name.
        distribution: The package that brings it, and `version` of that.
        extras: Those of the distribution that it needs.
        status: How it fared, and `reason` in one line where it is not loaded.
        connectors: What it registered.
    """

    entry_point: str
    distribution: str
    version: str
    status: Status
    reason: str = ""
    connectors: list[BoundConnector] = dataclasses.field(default_factory=list)
    extras: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Distribution and version, such as `flyte-connectors-batch-job 0.1.0`."""
        return f"{self.distribution} {self.version}"


def load_plugins(
    registry: Registry,
    *,
    allow: Iterable[str] | None = None,
    deny: Iterable[str] | None = None,
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
    allowed = _names(allow) if allow is not None else _names_from(ALLOW_VARIABLE)
    denied = (_names(deny) if deny is not None else _names_from(DENY_VARIABLE)) or frozenset()
    reports = []
    for entry_point in _entry_points():
        report = _load(registry, entry_point, allowed, denied)
        if report is None:
            continue
        if report.status is Status.FAILED:
            registry.failures.append(f"{report.entry_point} ({report.source}): {report.reason}")
        reports.append(report)
    return reports


def load_module(
    registry: Registry,
    module: types.ModuleType,
    source: str,
    before: Collection[BoundConnector] = (),
) -> list[BoundConnector]:
    """Register what an imported module offers.

    Args:
        registry: Where the connectors go.
        module: A module that has registered connectors while it was imported (the official SDK's
            with the official SDK), has `@hookimpl` functions, or defines connector classes; its
            `wrap_verb` goes around every verb.
        source: Name of its origin for messages.
        before: Connectors that were there before it was imported.

    Returns:
        Its connectors, those included that it had registered when somebody imported it earlier.

    Raises:
        RegistrationError: a connector in it breaks the contract.
    """
    _wrap(registry, module)
    registered = [
        bound
        for bound in registry
        if (bound.source == source and bound not in before) or _is_from(bound, module)
    ]
    if registered:
        return registered
    if hasattr(module, "task_type_name"):
        return [registry.register(module, source=source)]
    connectors = [*_classes(module), *official_sdk.registered_by(module)]
    return [registry.register(connector, source=source) for connector in connectors]


def _classes(module: types.ModuleType) -> list[type]:
    """The connector classes that a module defines, without those it has only imported."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, (AsyncConnector, SyncConnector))
        and value.__module__ == module.__name__
        and hasattr(value, "task_type_name")
    ]


def _load(
    registry: Registry,
    entry_point: EntryPoint,
    allowed: frozenset[str] | None,
    denied: frozenset[str],
) -> PluginReport | None:
    distribution = entry_point.dist
    report = PluginReport(
        entry_point=entry_point.name,
        distribution=distribution.name if distribution else "unknown",
        version=distribution.version if distribution else "unknown",
        status=Status.LOADED,
        extras=tuple(entry_point.extras),
    )
    names = _names((report.entry_point, report.distribution))
    if names & denied or (allowed is not None and not names & allowed):
        report.status = Status.BLOCKED
        report.reason = "denied" if names & denied else "not on the allow-list"
        return report
    before, wrappers = set(registry), registry.wrappers
    try:
        with registering_for(report.source):
            report.connectors = _register(registry, entry_point.load(), report.source, before)
    except DuplicateTaskTypeError as error:
        report.status, report.reason = Status.SHADOWED, error.message
    except RegistrationError as error:
        report.status, report.reason = Status.FAILED, error.message
    except (Exception, SystemExit) as error:
        if _lacks_its_extra(entry_point, error):
            return None
        logger.debug("plugin %s failed to load", entry_point.name, exc_info=True)
        report.status, report.reason = Status.FAILED, _reason(error)
    else:
        if not report.connectors and registry.wrappers == wrappers:
            report.status, report.reason = Status.FAILED, "registers no connector"
    if report.status is not Status.LOADED:
        registry.withdraw(set(registry) - before)
    return report


def _register(
    registry: Registry, plugin: Any, source: str, before: Collection[BoundConnector]
) -> list[BoundConnector]:
    if isinstance(plugin, types.ModuleType):
        return load_module(registry, plugin, source, before)
    if not isinstance(plugin, type) and _wrap(registry, plugin):
        return []
    known = [bound for bound in registry if plugin in (bound.plugin, type(bound.plugin))]
    return known or [registry.register(plugin, source=source)]


def _wrap(registry: Registry, plugin: Any) -> bool:
    """Put a plugin's `wrap_verb`, if it has one, around every verb."""
    wrapper = getattr(plugin, "wrap_verb", None)
    if wrapper is not None:
        registry.wrap(wrapper)
    return wrapper is not None


def _reason(error: BaseException) -> str:
    missing = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in ("flyte", "flytekit"):
        return f"it needs the official SDK, which is not installed ({error}): pip install {missing}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _lacks_its_extra(entry_point: EntryPoint, error: BaseException) -> bool:
    """Whether a plugin needs an extra, and failed because another package's module is missing."""
    if not (entry_point.extras and isinstance(error, ModuleNotFoundError)):
        return False
    return str(error.name).partition(".")[0] != entry_point.module.partition(".")[0]


def _is_from(bound: BoundConnector, module: types.ModuleType) -> bool:
    """Whether the connector was registered by `module`, or in its package, without a source."""
    return f"{bound.source}.".startswith(f"{module.__name__}.")


def _entry_points() -> list[EntryPoint]:
    """The group's entry points in an order that does not depend on `sys.path`."""
    found = entry_points(group=hookspecs.PROJECT)
    plugins = (point for point in found if point.module != _DOOR_TO_OFFICIAL_SERVICE)
    return sorted(plugins, key=lambda point: (point.dist.name if point.dist else "", point.name))


def _names_from(variable: str) -> frozenset[str] | None:
    text = os.environ.get(variable)
    return None if text is None else _names(text.split(","))


def _names(names: Iterable[str]) -> frozenset[str]:
    """Names as PEP 503 compares them."""
    return frozenset(re.sub(r"[-_.]+", "-", name.strip()).lower() for name in names if name.strip())
