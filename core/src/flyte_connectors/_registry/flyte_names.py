"""`import flyte` resolves to this package, where the official SDK is absent.

Modules written for the official SDK (`from flyte.connectors import AsyncConnector`) then run unchanged.
Where the SDK is installed, its own modules are what such code wants, so nothing is replaced.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import MutableSequence
from typing import Any

import flyte_connectors
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

MODULES = {module: tuple(names.split()) for module, names in _OFFICIAL.items()}
"""For each module of the official SDK, its names that `flyte_connectors` has, too."""


class _Alias(types.ModuleType):
    """A module of the official SDK's name with names of this package."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"`{name}`, as far as flyte_connectors has it.")
        self.__path__: MutableSequence[str] = []
        self.__all__ = list(MODULES[name])

    def __getattr__(self, name: str) -> Any:
        if name not in MODULES[self.__name__]:
            raise AttributeError(
                f"{self.__name__}.{name} is not part of flyte_connectors: "
                "install the official SDK (pip install flyte) for it"
            )
        value = getattr(flyte_connectors, name)
        setattr(self, name, value)
        return value


def install_as_flyte() -> None:
    """Make `flyte` and its modules of `MODULES` importable; a second call does nothing.

    Raises:
        OfficialSdkInstalledError: the official SDK is installed.
    """
    if isinstance(sys.modules.get("flyte"), _Alias):
        return
    if "flyte" in sys.modules or importlib.util.find_spec("flyte") is not None:
        message = "the official SDK is installed: `import flyte` already works and is not replaced"
        raise OfficialSdkInstalledError(message)
    for name in MODULES:
        alias = sys.modules[name] = _Alias(name)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, alias)
