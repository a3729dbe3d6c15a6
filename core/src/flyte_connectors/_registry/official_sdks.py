"""Recognizes connectors that were written for the official SDKs."""

from __future__ import annotations

import types
from typing import Any

from flyte_connectors._registry.plugin_hooks import has_hooks
from flyte_connectors.connector import AsyncConnector, SyncConnector
from flyte_connectors.errors import RegistrationError

_OFFICIAL = ("flyte", "flytekit")


def is_ours(plugin: Any) -> bool:
    """Whether a connector object or module is written for our contract, correctly or not."""
    ours = (AsyncConnector, SyncConnector, types.ModuleType)
    return isinstance(plugin, ours) or has_hooks(plugin)


def official_sdk_of(connector: type) -> str | None:
    """The official SDK that a connector class is derived from, if any."""
    tops = (base.__module__.partition(".")[0] for base in connector.__mro__)
    return next((top for top in tops if top in _OFFICIAL), None)


def needs_official(name: str, sdk: str) -> RegistrationError:
    """The error for a connector of the official SDK where no plugin hosts it."""
    message = (
        f"{name} was written for the official SDK ({sdk}), and no loaded plugin hosts those: "
        'pip install "flyte-connectors[official]", and allow flyte-connectors-official'
    )
    return RegistrationError(message)
