"""Connectors for Flyte: write them, host them in one service, run their tasks anywhere.

For connector authors
    AsyncConnector, SyncConnector, ResourceMeta, Resource, Phase, TaskCategory, ConnectorRegistry,
    ConnectorSecretsMixin, hookimpl, HOOK_API, and the errors in `flyte_connectors.errors`
For task authors
    TaskTemplate, AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin, NativeInterface,
    SerializationContext, TaskEnvironment, run, init_from_config, File, Dir, DataFrame, Resources,
    Secret, logger, install_as_flyte
For authors of task types that run from their serialized template
    ShimTaskExecutor, PythonCustomizedContainerTask, ExecutableTemplateShimTask,
    TaskTemplateResolver, TaskPlugins, ConnectorShimExecutor
For operators
    ConnectorService, Image, ImageBuildEngine, ConnectorEnvironment, deploy, and the command
    `flyte-connectors`

Names are imported when they are first used, so that `import flyte_connectors` costs next to nothing.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyte_connectors._registry.flyte_names import install_as_flyte
    from flyte_connectors._registry.table import ConnectorRegistry
    from flyte_connectors.connector import (
        AsyncConnector,
        Phase,
        Resource,
        ResourceMeta,
        SyncConnector,
        TaskCategory,
    )
    from flyte_connectors.deployment.applying import deploy
    from flyte_connectors.deployment.engine import ImageBuildEngine
    from flyte_connectors.deployment.environment import ConnectorEnvironment
    from flyte_connectors.deployment.image import Image
    from flyte_connectors.hookspecs import HOOK_API, hookimpl
    from flyte_connectors.io import DataFrame, Dir, File
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
    from flyte_connectors.tasks.shim import (
        ConnectorShimExecutor,
        ExecutableTemplateShimTask,
        PythonCustomizedContainerTask,
        ShimTaskExecutor,
        TaskPlugins,
        TaskTemplateResolver,
    )
    from flyte_connectors.tasks.template import SerializationContext, TaskTemplate

logger = logging.getLogger("flyte_connectors.user")
"""The logger that connector and task modules share."""

_HOMES = {
    "AsyncConnector": "connector",
    "AsyncConnectorExecutorMixin": "tasks.mixins",
    "ConnectorEnvironment": "deployment.environment",
    "ConnectorRegistry": "_registry.table",
    "ConnectorSecretsMixin": "secrets",
    "ConnectorService": "service.server",
    "ConnectorShimExecutor": "tasks.shim",
    "DataFrame": "io",
    "Dir": "io",
    "ExecutableTemplateShimTask": "tasks.shim",
    "File": "io",
    "HOOK_API": "hookspecs",
    "Image": "deployment.image",
    "ImageBuildEngine": "deployment.engine",
    "NativeInterface": "tasks.interface",
    "Phase": "connector",
    "PythonCustomizedContainerTask": "tasks.shim",
    "Resource": "connector",
    "ResourceMeta": "connector",
    "Resources": "tasks.resources",
    "Secret": "secrets",
    "SerializationContext": "tasks.template",
    "ShimTaskExecutor": "tasks.shim",
    "SyncConnector": "connector",
    "SyncConnectorExecutorMixin": "tasks.mixins",
    "TaskCategory": "connector",
    "TaskEnvironment": "tasks.environment",
    "TaskPlugins": "tasks.shim",
    "TaskTemplate": "tasks.template",
    "TaskTemplateResolver": "tasks.shim",
    "deploy": "deployment.applying",
    "hookimpl": "hookspecs",
    "init_from_config": "tasks.runs",
    "install_as_flyte": "_registry.flyte_names",
    "run": "tasks.runs",
}

__all__ = [
    "HOOK_API",
    "AsyncConnector",
    "AsyncConnectorExecutorMixin",
    "ConnectorEnvironment",
    "ConnectorRegistry",
    "ConnectorSecretsMixin",
    "ConnectorService",
    "ConnectorShimExecutor",
    "DataFrame",
    "Dir",
    "ExecutableTemplateShimTask",
    "File",
    "Image",
    "ImageBuildEngine",
    "NativeInterface",
    "Phase",
    "PythonCustomizedContainerTask",
    "Resource",
    "ResourceMeta",
    "Resources",
    "Secret",
    "SerializationContext",
    "ShimTaskExecutor",
    "SyncConnector",
    "SyncConnectorExecutorMixin",
    "TaskCategory",
    "TaskEnvironment",
    "TaskPlugins",
    "TaskTemplate",
    "TaskTemplateResolver",
    "deploy",
    "hookimpl",
    "init_from_config",
    "install_as_flyte",
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
