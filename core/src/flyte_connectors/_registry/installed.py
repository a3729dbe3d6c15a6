"""The installed plugins: the entry points of the group `flyte.connectors`, before any is imported."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from flyte_connectors import hookspecs
from flyte_connectors._calls.suggestions import nearest

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

ALLOW_VARIABLE = "FLYTE_CONNECTORS_ALLOW"
DENY_VARIABLE = "FLYTE_CONNECTORS_DENY"

FLYTEKIT_PLUGINS = "flytekit.plugins"
"""The group of entry points by which flytekit finds its plugins; many of them bring connectors."""

InstalledPlugin: TypeAlias = "EntryPoint"
"""An entry point of the group."""

OFFICIAL_SERVICE_EXTRA = "flyte"
"""The extra of entry points that are there for the official SDK's service, which imports all of them."""


class Selection(NamedTuple):
    """Which plugins may be loaded, by the names of their distributions or entry points.

    Attributes:
        allowed: The only ones; None for all of them.
        denied: Those that may not be.
    """

    allowed: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allow: Iterable[str] | None = None, deny: Iterable[str] | None = None) -> Selection:
        """The selection by two lists; the environment's variable in the place of one that is None."""
        allow = _listed_in(ALLOW_VARIABLE) if allow is None else allow
        deny = _listed_in(DENY_VARIABLE) if deny is None else deny
        return cls(None if allow is None else _normalized(allow), _normalized(deny or ()))

    def refuses(self, entry_point: InstalledPlugin) -> str:
        """Why a plugin may not be loaded, or an empty string."""
        names = _names_of(entry_point)
        if names & self.denied:
            return "denied"
        if self.allowed is not None and not names & self.allowed:
            return "not on the allow-list"
        return ""

    def unknown(self) -> dict[str, str]:
        """Names in either list that no installed plugin has, each with the nearest one that one has."""
        points = (*installed_plugins(), *installed_plugins(FLYTEKIT_PLUGINS))
        known = {name for point in points for name in _names_of(point)}
        listed = (self.allowed or frozenset()) | self.denied
        return {name: nearest(name, known) for name in sorted(listed - known)}


def installed_plugins(group: str = hookspecs.PROJECT) -> list[InstalledPlugin]:
    """The entry points of a group in an order that does not depend on `sys.path`."""
    found = _entry_points(tuple((folder, _changed_at(folder)) for folder in sys.path))
    ours = (point for point in found.select(group=group) if OFFICIAL_SERVICE_EXTRA not in point.extras)
    return sorted(ours, key=lambda point: (distribution_of(point)[0], point.name))


@functools.lru_cache(maxsize=1)
def _entry_points(_: tuple[tuple[str, int], ...]) -> Any:
    """All entry points; they are read again when a folder on `sys.path` changes."""
    # Slow, and not needed by authors.
    if sys.version_info >= (3, 11):
        from importlib.metadata import entry_points
    else:
        from importlib_metadata import entry_points

    return entry_points()


def _changed_at(folder: str) -> int:
    try:
        return pathlib.Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def plugins_that_mention(hook: str, selection: Selection) -> Iterator[InstalledPlugin]:
    """The plugins whose module names a hook in its source, without importing any.

    This is how a hook that is needed before the plugins are loaded costs the import of those modules
    only that have it.
    """
    for point in installed_plugins():
        if not selection.refuses(point) and hook.encode() in _source(point.module):
            yield point


def distribution_of(entry_point: InstalledPlugin) -> tuple[str, str]:
    """Name and version of the package that brings an entry point."""
    return _identity(entry_point.dist) if entry_point.dist is not None else ("unknown", "unknown")


@functools.lru_cache(maxsize=256)
def _identity(distribution: Distribution) -> tuple[str, str]:
    """Name and version, which each attribute of a distribution reads from its file anew."""
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def _names_of(entry_point: InstalledPlugin) -> frozenset[str]:
    return _normalized((entry_point.name, distribution_of(entry_point)[0]))


def _source(module: str) -> bytes:
    """The source of a module; empty where there is none, as for a module that is not there."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
        for part in rest:
            folders = list(spec.submodule_search_locations or ()) if spec else []
            # By its last name: a dotted one would import the packages above it.
            spec = importlib.machinery.PathFinder.find_spec(part, folders)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return b""
        return spec.loader.get_data(spec.loader.path)
    except (ImportError, OSError, ValueError):
        return b""


def _listed_in(variable: str) -> list[str] | None:
    text = os.environ.get(variable)
    return None if text is None else text.split(",")


def _normalized(names: Iterable[str]) -> frozenset[str]:
    """Names as PEP 503 compares them."""
    return frozenset(re.sub(r"[-_.]+", "-", name.strip()).lower() for name in names if name.strip())
