"""Which names of flytekit there are, and where; nothing is imported to know it."""

from __future__ import annotations

_OURS = "flyte_connectors"
_HERE = "flyte_connectors_official.flytekit_names"
_MESSAGES = "flyteidl2.core"

_NAMES: dict[str, dict[str, str]] = {
    # For each module: where a name is, and which. `new=old` renames it.
    "flytekit": {
        _OURS: "Resources Secret logger",
        f"{_HERE}.tasks": "task workflow TaskMetadata",
    },
    "flytekit.core": {},
    "flytekit.core.base_task": {f"{_HERE}.tasks": "TaskMetadata"},
    "flytekit.core.context_manager": {f"{_HERE}.values": "FlyteContext FlyteContextManager"},
    "flytekit.core.interface": {_OURS: "Interface=NativeInterface"},
    "flytekit.core.python_customized_container_task": {
        _OURS: "TaskTemplateResolver",
        f"{_HERE}.tasks": "PythonCustomizedContainerTask",
    },
    "flytekit.core.resources": {_OURS: "Resources"},
    "flytekit.core.shim_task": {_OURS: "ExecutableTemplateShimTask ShimTaskExecutor"},
    "flytekit.core.task": {_OURS: "TaskPlugins", f"{_HERE}.tasks": "TaskMetadata task"},
    "flytekit.core.type_engine": {f"{_HERE}.values": "TypeEngine"},
    "flytekit.core.workflow": {f"{_HERE}.tasks": "workflow"},
    "flytekit.extend": {},
    "flytekit.extend.backend": {},
    "flytekit.extend.backend.base_connector": {
        _OURS: "Resource ResourceMeta TaskCategory",
        f"{_HERE}.connectors": "AsyncConnectorBase ConnectorBase ConnectorRegistry SyncConnectorBase",
        f"{_HERE}.tasks": "AsyncConnectorExecutorMixin SyncConnectorExecutorMixin",
    },
    "flytekit.extend.backend.connector_service": {
        f"{_HERE}.services": "AsyncConnectorService ConnectorMetadataService SyncConnectorService",
    },
    "flytekit.extend.backend.utils": {f"{_HERE}.connectors": "mirror_async_methods"},
    "flytekit.models": {},
    "flytekit.models.core": {},
    "flytekit.models.core.execution": {f"{_MESSAGES}.execution_pb2": "TaskExecution TaskLog"},
    "flytekit.models.core.tasks": {f"{_MESSAGES}.tasks_pb2": "TaskTemplate"},
    "flytekit.models.core.types": {
        f"{_MESSAGES}.types_pb2": "BlobType",
        f"{_HERE}.values": "BlobTypeFormat TaskTemplate=task_template",
    },
    "flytekit.models.interface": {
        f"{_MESSAGES}.interface_pb2": "Variable",
        f"{_HERE}.values": "TypedInterface=typed_interface",
    },
    "flytekit.models.literals": {
        f"{_MESSAGES}.literals_pb2": "Literal Primitive Scalar",
        f"{_HERE}.values": "LiteralMap StringValue",
    },
    "flytekit.models.task": {f"{_MESSAGES}.tasks_pb2": "TaskTemplate"},
    "flytekit.models.types": {f"{_MESSAGES}.types_pb2": "LiteralType SimpleType"},
    "flytekit.types": {},
    "flytekit.types.literal": {f"{_MESSAGES}.types_pb2": "LiteralType"},
}

MODULES: dict[str, dict[str, str]] = {
    module: {
        name.partition("=")[0]: f"{place}:{name.rpartition('=')[2]}"
        for place, names in places.items()
        for name in names.split()
    }
    for module, places in _NAMES.items()
}
"""As the hook `importable_names` returns them."""
