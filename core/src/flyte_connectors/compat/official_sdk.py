"""Telling the official SDK's connectors, without importing the SDK."""

from __future__ import annotations

import sys
import types
from typing import Any

MODULE = "flyte.connectors._connector"
"""Where the SDK (flyte 2.12) defines its base class and its registry."""


def is_official(connector: object) -> bool:
    """Whether the class of `connector` is derived from the SDK's."""
    bases = ((base.__module__, base.__name__) for base in type(connector).__mro__)
    return (MODULE, "AsyncConnector") in bases


def registered_by(module: types.ModuleType) -> list[Any]:
    """What is in the SDK's registry, and of a class that `module`, or a module in it, defines."""
    registry = getattr(sys.modules.get(MODULE), "ConnectorRegistry", None)
    return [
        connector
        for connector in getattr(registry, "_REGISTRY", {}).values()
        if f"{type(connector).__module__}.".startswith(f"{module.__name__}.")
    ]
