"""Connectors for Flyte: write them, host them in one service, run their tasks anywhere.

For connector authors
    AsyncConnector, SyncConnector, ResourceMeta, Resource, Phase, TaskCategory, ConnectorRegistry,
    ConnectorSecretsMixin, hookimpl, HOOK_API, and the errors in `flyte_connectors.errors`
For task authors
    TaskTemplate, AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin, NativeInterface,
    SerializationContext, TaskEnvironment, run, init_from_config, File, Dir, DataFrame, Resources,
    Secret, logger, install_as_flyte; in functions that run as jobs also report, task_context, TaskContext
For authors of task types that run from their serialized template
    ShimTaskExecutor, PythonCustomizedContainerTask, ExecutableTemplateShimTask,
    TaskTemplateResolver, TaskPlugins, ConnectorShimExecutor
For operators
    ConnectorService, Image, ImageBuildEngine, ConnectorEnvironment, deploy, and the command
    `flyte-connectors`

Names are imported when they are first used, so that `import flyte_connectors` costs next to nothing.
"""

from __future__ import annotations

import logging

from flyte_connectors._lazy_names import lazy_names

logger = logging.getLogger("flyte_connectors.user")
"""The logger that connector and task modules share."""

__getattr__, __dir__ = lazy_names(__name__, "logger")
