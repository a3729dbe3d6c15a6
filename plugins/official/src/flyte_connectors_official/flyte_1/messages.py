"""The messages and descriptors of Flyte 1's agent services.

They are those of the package `flyteidl` where that is installed. Elsewhere the same ones are declared here,
with the messages of flyteidl2 inside, which have the same fields under the same numbers: clients read them by
reflection, and see no difference on the wire.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

import flyteidl2.connector.service_pb2  # noqa: F401  (what the declarations below refer to)
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SYNC_SERVICE = "flyteidl.service.SyncAgentService"
METADATA_SERVICE = "flyteidl.service.AgentMetadataService"

_ADMIN, _SERVICE = "flyteidl/admin/agent.proto", "flyteidl/service/agent.proto"
_CONNECTOR = "flyteidl2/connector/connector.proto"
_OF_FLYTE_2 = ".flyteidl2.connector."

_MESSAGES: dict[str, dict[str, tuple[int, str, str]]] = {
    # field: number, type, oneof; `*` marks a repeated one
    "Agent": {
        "name": (1, "string", ""),
        "supported_task_types": (2, "*string", ""),
        "is_sync": (3, "bool", ""),
        "supported_task_categories": (4, f"*{_OF_FLYTE_2}TaskCategory", ""),
    },
    "GetAgentResponse": {"agent": (1, ".flyteidl.admin.Agent", "")},
    "ListAgentsResponse": {"agents": (1, "*.flyteidl.admin.Agent", "")},
    "CreateRequestHeader": {
        "template": (1, ".flyteidl2.core.TaskTemplate", ""),
        "output_prefix": (2, "string", ""),
        "task_execution_metadata": (3, f"{_OF_FLYTE_2}TaskExecutionMetadata", ""),
        "max_dataset_size_bytes": (4, "int64", ""),
    },
    "ExecuteTaskSyncRequest": {
        "header": (1, ".flyteidl.admin.CreateRequestHeader", "part"),
        "inputs": (2, ".flyteidl2.task.Inputs", "part"),
    },
    "ExecuteTaskSyncResponseHeader": {"resource": (1, f"{_OF_FLYTE_2}Resource", "")},
    "ExecuteTaskSyncResponse": {
        "header": (1, ".flyteidl.admin.ExecuteTaskSyncResponseHeader", "res"),
        "outputs": (2, ".flyteidl2.task.Outputs", "res"),
    },
}

_METHODS = {
    "SyncAgentService": ("ExecuteTaskSync",),
    "AsyncAgentService": ("CreateTask", "GetTask", "DeleteTask", "GetTaskMetrics", "GetTaskLogs"),
    "AgentMetadataService": ("GetAgent", "ListAgents"),
}
_OTHER_REQUESTS = {"GetAgent": "GetConnectorRequest", "ListAgents": "ListConnectorsRequest"}
_STREAMS = {
    "ExecuteTaskSync": (True, True),
    "GetTaskLogs": (False, True),
}  # of requests, of replies


@functools.cache
def message(name: str) -> Any:
    """The class of a message of `flyteidl.admin`."""
    _declare()
    pool = descriptor_pool.Default()
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"flyteidl.admin.{name}"))


@functools.cache
def _declare() -> None:
    """Put the descriptors into the default pool."""
    if importlib.util.find_spec("flyteidl") is not None:
        importlib.import_module("flyteidl.service.agent_pb2")
        return
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(_admin_file().SerializeToString())
    pool.AddSerializedFile(_service_file().SerializeToString())


def _admin_file() -> descriptor_pb2.FileDescriptorProto:
    depends = (_CONNECTOR, "flyteidl2/core/tasks.proto", "flyteidl2/task/common.proto")
    file = descriptor_pb2.FileDescriptorProto(
        name=_ADMIN, package="flyteidl.admin", syntax="proto3", dependency=depends
    )
    for name, fields in _MESSAGES.items():
        declared = file.message_type.add(name=name)
        for field, (number, kind, oneof) in fields.items():
            label = "LABEL_REPEATED" if kind.startswith("*") else "LABEL_OPTIONAL"
            added = declared.field.add(name=field, number=number, label=label)
            plain = kind.lstrip("*")
            if plain.startswith("."):
                added.type, added.type_name = added.TYPE_MESSAGE, plain
            else:
                added.type = added.Type.Value(f"TYPE_{plain.upper()}")
            if oneof:
                if not declared.oneof_decl:
                    declared.oneof_decl.add(name=oneof)
                added.oneof_index = 0
    return file


def _service_file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name=_SERVICE, package="flyteidl.service", syntax="proto3", dependency=[_ADMIN, _CONNECTOR]
    )
    for service, methods in _METHODS.items():
        declared = file.service.add(name=service)
        for method in methods:
            by_client, by_server = _STREAMS.get(method, (False, False))
            declared.method.add(
                name=method,
                input_type=_type_of(_OTHER_REQUESTS.get(method, f"{method}Request")),
                output_type=_type_of(f"{method}Response"),
                client_streaming=by_client,
                server_streaming=by_server,
            )
    return file


def _type_of(name: str) -> str:
    return f".flyteidl.admin.{name}" if name in _MESSAGES else f"{_OF_FLYTE_2}{name}"
