"""`import flyte` resolves to this package, where the official SDK is absent.

Modules written for the official SDK (`from flyte.connectors import AsyncConnector`) then run unchanged.
Where the SDK is installed, its own modules are what such code wants, so nothing is replaced.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import MutableSequence
from typing import Any

from flyte_connectors.errors import OfficialSdkInstalledError

_CONNECTORS = {
    "AsyncConnector": "flyte_connectors",
    "AsyncConnectorExecutorMixin": "flyte_connectors",
    "ConnectorRegistry": "flyte_connectors",
    "ConnectorSecretsMixin": "flyte_connectors",
    "ConnectorService": "flyte_connectors",
    "Resource": "flyte_connectors",
    "ResourceMeta": "flyte_connectors",
    "SyncConnector": "flyte_connectors",
    "SyncConnectorExecutorMixin": "flyte_connectors",
    "TaskCategory": "flyte_connectors",
}

MODULES: dict[str, dict[str, str]] = {
    "flyte": {
        "Image": "flyte_connectors",
        "Resources": "flyte_connectors",
        "Secret": "flyte_connectors",
        "TaskEnvironment": "flyte_connectors",
        "TaskTemplate": "flyte_connectors",
        "deploy": "flyte_connectors",
        "init_from_config": "flyte_connectors",
        "logger": "flyte_connectors",
        "run": "flyte_connectors",
    },
    "flyte.app": {"ConnectorEnvironment": "flyte_connectors"},
    "flyte.connectors": _CONNECTORS,
    "flyte.connectors._connector": _CONNECTORS,
    "flyte.extend": {
        "ImageBuildEngine": "flyte_connectors",
        "TaskTemplate": "flyte_connectors",
    },
    "flyte.io": {
        "DataFrame": "flyte_connectors",
        "Dir": "flyte_connectors",
        "File": "flyte_connectors",
    },
    "flyte.models": {
        "NativeInterface": "flyte_connectors",
        "SerializationContext": "flyte_connectors",
    },
}
"""For each module of the official SDK, the names that resolve here, and where to."""


class _Alias(types.ModuleType):
    """A module of the official SDK's name with names of this package."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"`{name}`, as far as flyte_connectors has it.")
        self.__path__: MutableSequence[str] = []
        self.__all__ = sorted(MODULES[name])

    def __getattr__(self, name: str) -> Any:
        home = MODULES[self.__name__].get(name)
        if home is None:
            message = (
                f"{self.__name__}.{name} is not part of flyte_connectors: "
                "install the official SDK (pip install flyte) for it"
            )
            raise AttributeError(message)
        value = getattr(importlib.import_module(home), name)
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
        message = "the official SDK is installed: `import flyte` already works, and is left alone"
        raise OfficialSdkInstalledError(message)
    for name in MODULES:
        alias = sys.modules[name] = _Alias(name)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, alias)
