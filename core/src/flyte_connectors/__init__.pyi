# What the package exports, and where each name lives; read by type checkers and by `_lazy_names`.

import logging

from flyte_connectors_deploy import ConnectorEnvironment as ConnectorEnvironment
from flyte_connectors_deploy import Image as Image
from flyte_connectors_deploy import ImageBuildEngine as ImageBuildEngine
from flyte_connectors_deploy import deploy as deploy
from flyte_connectors_functions import TaskContext as TaskContext
from flyte_connectors_functions import report as report
from flyte_connectors_functions import task_context as task_context
from flyte_connectors_official.shim_tasks import ConnectorShimExecutor as ConnectorShimExecutor
from flyte_connectors_official.shim_tasks import (
    ExecutableTemplateShimTask as ExecutableTemplateShimTask,
)
from flyte_connectors_official.shim_tasks import (
    PythonCustomizedContainerTask as PythonCustomizedContainerTask,
)
from flyte_connectors_official.shim_tasks import ShimTaskExecutor as ShimTaskExecutor
from flyte_connectors_official.shim_tasks import TaskTemplateResolver as TaskTemplateResolver

from flyte_connectors._registry.flyte_names import install_as_flyte as install_as_flyte
from flyte_connectors._registry.table import ConnectorRegistry as ConnectorRegistry
from flyte_connectors.connector import AsyncConnector as AsyncConnector
from flyte_connectors.connector import Phase as Phase
from flyte_connectors.connector import Resource as Resource
from flyte_connectors.connector import ResourceMeta as ResourceMeta
from flyte_connectors.connector import SyncConnector as SyncConnector
from flyte_connectors.connector import TaskCategory as TaskCategory
from flyte_connectors.hookspecs import HOOK_API as HOOK_API
from flyte_connectors.hookspecs import hookimpl as hookimpl
from flyte_connectors.io import DataFrame as DataFrame
from flyte_connectors.io import Dir as Dir
from flyte_connectors.io import File as File
from flyte_connectors.secrets import ConnectorSecretsMixin as ConnectorSecretsMixin
from flyte_connectors.secrets import Secret as Secret
from flyte_connectors.service.server import ConnectorService as ConnectorService
from flyte_connectors.tasks.environment import TaskEnvironment as TaskEnvironment
from flyte_connectors.tasks.interface import NativeInterface as NativeInterface
from flyte_connectors.tasks.mixins import AsyncConnectorExecutorMixin as AsyncConnectorExecutorMixin
from flyte_connectors.tasks.mixins import SyncConnectorExecutorMixin as SyncConnectorExecutorMixin
from flyte_connectors.tasks.resources import Resources as Resources
from flyte_connectors.tasks.running import init_from_config as init_from_config
from flyte_connectors.tasks.running import run as run
from flyte_connectors.tasks.task_plugins import TaskPlugins as TaskPlugins
from flyte_connectors.tasks.template import SerializationContext as SerializationContext
from flyte_connectors.tasks.template import TaskTemplate as TaskTemplate

logger: logging.Logger
