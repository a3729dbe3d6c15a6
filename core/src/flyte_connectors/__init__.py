"""Connectors for Flyte: write them, host them in one service, run their tasks anywhere.

For connector authors
    AsyncConnector, SyncConnector, ResourceMeta, Resource, Phase, TaskCategory, ConnectorRegistry,
    ConnectorSecretsMixin, hookimpl, HOOK_API, and the errors in `flyte_connectors.errors`
For task authors
    TaskTemplate, AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin, NativeInterface,
    SerializationContext, TaskEnvironment, run, init_from_config, File, Dir, DataFrame, Resources,
    Secret, logger
For operators
    ConnectorService, and the command `flyte-connectors`

Names are imported when they are first used, so that `import flyte_connectors` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyte_connectors.connector import (
        AsyncConnector,
        Phase,
        Resource,
        ResourceMeta,
        SyncConnector,
        TaskCategory,
    )
    from flyte_connectors.hookspecs import HOOK_API, hookimpl
    from flyte_connectors.io import DataFrame, Dir, File
    from flyte_connectors.logs import logger
    from flyte_connectors.registry import ConnectorRegistry
    from flyte_connectors.secrets import ConnectorSecretsMixin, Secret
    from flyte_connectors.service.server import ConnectorService
    from flyte_connectors.tasks.environment import TaskEnvironment
    from flyte_connectors.tasks.interface import NativeInterface
    from flyte_connectors.tasks.mixins import (
        AsyncConnectorExecutorMixin,
        SyncConnectorExecutorMixin,
    )
    from flyte_connectors.tasks.resources import Resources
    from flyte_connectors.tasks.runs import init_from_config, run
    from flyte_connectors.tasks.template import SerializationContext, TaskTemplate

_HOMES = {
    "AsyncConnector": "connector",
    "AsyncConnectorExecutorMixin": "tasks.mixins",
    "ConnectorRegistry": "registry",
    "ConnectorSecretsMixin": "secrets",
    "ConnectorService": "service.server",
    "DataFrame": "io",
    "Dir": "io",
    "File": "io",
    "HOOK_API": "hookspecs",
    "NativeInterface": "tasks.interface",
    "Phase": "connector",
    "Resource": "connector",
    "ResourceMeta": "connector",
    "Resources": "tasks.resources",
    "Secret": "secrets",
    "SerializationContext": "tasks.template",
    "SyncConnector": "connector",
    "SyncConnectorExecutorMixin": "tasks.mixins",
    "TaskCategory": "connector",
    "TaskEnvironment": "tasks.environment",
    "TaskTemplate": "tasks.template",
    "hookimpl": "hookspecs",
    "init_from_config": "tasks.runs",
    "logger": "logs",
    "run": "tasks.runs",
}

__all__ = [
    "HOOK_API",
    "AsyncConnector",
    "AsyncConnectorExecutorMixin",
    "ConnectorRegistry",
    "ConnectorSecretsMixin",
    "ConnectorService",
    "DataFrame",
    "Dir",
    "File",
    "NativeInterface",
    "Phase",
    "Resource",
    "ResourceMeta",
    "Resources",
    "Secret",
    "SerializationContext",
    "SyncConnector",
    "SyncConnectorExecutorMixin",
    "TaskCategory",
    "TaskEnvironment",
    "TaskTemplate",
    "hookimpl",
    "init_from_config",
    "logger",
    "run",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
