"""Recognizes connectors of the official SDKs, without importing the SDKs.

`flyte` is the SDK of Flyte 2, `flytekit` that of Flyte 1.
"""

from __future__ import annotations

import sys
import types
from typing import Any

FLYTE = "flyte.connectors._connector"
FLYTEKIT = "flytekit.extend.backend.base_connector"
MODULES = (FLYTE, FLYTEKIT)
"""Where each SDK defines its base classes and its registry (flyte 2.12, flytekit 1.16)."""

_BASES = {(FLYTE, "AsyncConnector"), (FLYTEKIT, "ConnectorBase")}


def sdk_of(connector: object) -> str | None:
    """The one of `MODULES` that the class of `connector` is derived from; None for our own."""
    bases = ((base.__module__, base.__name__) for base in type(connector).__mro__)
    return next((base[0] for base in bases if base in _BASES), None)


def registered_by(module: types.ModuleType) -> list[Any]:
    """What is in the SDKs' registries, and of a class that `module`, or a module in it, defines."""
    registries = (getattr(sys.modules.get(sdk), "ConnectorRegistry", None) for sdk in MODULES)
    return [
        connector
        for registry in registries
        for connector in getattr(registry, "_REGISTRY", {}).values()
        if f"{type(connector).__module__}.".startswith(f"{module.__name__}.")
    ]
