"""`import flyte` resolves to this package, where the official SDK is absent.

Modules written for the official SDK (`from flyte.connectors import AsyncConnector`) then run unchanged.
Where the SDK is installed, its own modules are what such code wants, so nothing is replaced. Plugins add
modules of other packages by the hook `importable_names`.
"""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
import types
from collections.abc import Mapping, MutableSequence
from typing import Any

from flyte_connectors._registry.installed import Selection
from flyte_connectors._registry.plugin_hooks import installed_hooks
from flyte_connectors.errors import OfficialSdkInstalledError

_CONNECTORS = (
    "AsyncConnector AsyncConnectorExecutorMixin ConnectorRegistry ConnectorSecretsMixin ConnectorService"
    " Resource ResourceMeta SyncConnector SyncConnectorExecutorMixin TaskCategory"
)
_OFFICIAL = {
    "flyte": "Image Resources Secret TaskEnvironment TaskTemplate deploy init_from_config logger run",
    "flyte.app": "ConnectorEnvironment",
    "flyte.connectors": _CONNECTORS,
    "flyte.connectors._connector": _CONNECTORS,
    "flyte.extend": "ImageBuildEngine TaskTemplate",
    "flyte.io": "DataFrame Dir File",
    "flyte.models": "NativeInterface SerializationContext",
}

MODULES: dict[str, dict[str, str]] = {
    module: {name: f"flyte_connectors:{name}" for name in names.split()} for module, names in _OFFICIAL.items()
}
"""For each module of the official SDK, its names that `flyte_connectors` has, too, and where."""


class _Alias(types.ModuleType):
    """A module of another package's name with names of ours."""

    def __init__(self, name: str, places: Mapping[str, str]) -> None:
        super().__init__(name, f"`{name}`, as far as flyte_connectors has it.")
        self.__path__: MutableSequence[str] = []
        self.__all__ = list(places)
        self._places = places

    def __getattr__(self, name: str) -> Any:
        if name not in self._places:
            raise AttributeError(
                f"{self.__name__}.{name} is not part of flyte_connectors: install the official SDK "
                f"(pip install {self.__name__.partition('.')[0]}) for it"
            )
        value = pkgutil.resolve_name(self._places[name])
        setattr(self, name, value)
        return value


def install_as_flyte() -> None:
    """Make `flyte` importable, and the packages whose names plugins have; a second call does nothing.

    Raises:
        OfficialSdkInstalledError: the official SDK is installed; packages beside it are importable nevertheless.
    """
    given = [hook() for hook in installed_hooks("importable_names", Selection.of())]
    tables = [table for table in (MODULES, *given) if _is_absent(next(iter(table)))]
    for name, places in (item for table in tables for item in table.items()):
        alias = sys.modules[name] = _Alias(name, places)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, alias)
    if not isinstance(sys.modules.get("flyte"), _Alias):
        message = "the official SDK is installed: `import flyte` already works and is not replaced"
        raise OfficialSdkInstalledError(message)


def _is_absent(package: str) -> bool:
    return package not in sys.modules and importlib.util.find_spec(package) is None
