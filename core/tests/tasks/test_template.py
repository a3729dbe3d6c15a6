"""A task and its protobuf form."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from flyte_connectors import (
    NativeInterface,
    Resources,
    Secret,
    SerializationContext,
    TaskTemplate,
)
from flyteidl2.core.tasks_pb2 import Resources as ResourcesProto
from flyteidl2.core.tasks_pb2 import Sql

NAMES = ResourcesProto.ResourceName


class Query(TaskTemplate):
    def custom_config(self, sctx: SerializationContext) -> Mapping[str, Any]:
        return {"project": "p", "limit": 3, "project_of_flyte": sctx.project}

    def config(self, sctx: SerializationContext) -> Mapping[str, str]:
        return {"warehouse": "w"}

    def sql(self, sctx: SerializationContext) -> str:
        return "SELECT 1"


def test_a_task_serializes_what_its_class_adds() -> None:
    """Type, version, interface, custom, config and SQL."""
    task = Query("q", NativeInterface({"a": int}, {"o": str}), "query", 2)
    message = task.to_proto(SerializationContext(version="v1", project="x", domain="d", org="o"))
    assert (message.id.name, message.id.version, message.id.project) == ("q", "v1", "x")
    assert (message.type, message.task_type_version) == ("query", 2)
    assert dict(message.custom.items()) == {"project": "p", "limit": 3, "project_of_flyte": "x"}
    assert message.config == {"warehouse": "w"}
    assert message.sql.statement == "SELECT 1"
    assert [entry.key for entry in message.interface.inputs.variables] == ["a"]


def test_a_whole_sql_message_is_taken_too() -> None:
    """With its dialect."""

    class Ansi(Query):
        def sql(self, sctx: SerializationContext) -> Any:
            return Sql(statement="SELECT 1", dialect=Sql.ANSI)

    assert Ansi("q", NativeInterface()).to_proto().sql.dialect == Sql.ANSI


def test_custom_is_never_empty() -> None:
    """The back end can't create a task without one."""
    assert TaskTemplate("t", NativeInterface()).to_proto().custom.fields


@pytest.mark.parametrize("timeout", [90, 90.0, dt.timedelta(seconds=90)])
def test_metadata_travels(timeout: Any) -> None:
    """Retries, time limit, cache and machines."""
    task = TaskTemplate(
        "t",
        NativeInterface(),
        retries=2,
        timeout=timeout,
        cache=True,
        cache_version="1",
        interruptible=True,
    )
    assert task.timeout_seconds == 90
    metadata = task.to_proto().metadata
    assert metadata.retries.retries == 2
    assert metadata.timeout.ToSeconds() == 90
    assert (metadata.discoverable, metadata.discovery_version) == (True, "1")
    assert metadata.interruptible


def test_without_a_time_limit_there_is_none() -> None:
    """Neither here nor in the message."""
    task = TaskTemplate("t", NativeInterface())
    assert task.timeout_seconds is None
    assert not task.to_proto().metadata.HasField("timeout")


def test_only_a_task_with_an_image_has_a_container() -> None:
    """With its arguments, environment and resources."""
    assert not TaskTemplate("t", NativeInterface()).to_proto().HasField("container")

    class Contained(TaskTemplate):
        def container_args(self, sctx: SerializationContext) -> list[str]:
            return ["run", sctx.version]

    task = Contained(
        "t",
        NativeInterface(),
        image="img:1",
        env_vars={"A": "b"},
        resources=Resources(cpu=("500m", 2), memory="1Gi", gpu=1, disk="10Gi"),
    )
    container = task.to_proto().container
    assert (container.image, list(container.args)) == ("img:1", ["run", "local"])
    assert [(pair.key, pair.value) for pair in container.env] == [("A", "b")]
    requests = {entry.name: entry.value for entry in container.resources.requests}
    assert requests == {
        NAMES.CPU: "500m",
        NAMES.MEMORY: "1Gi",
        NAMES.GPU: "1",
        NAMES.EPHEMERAL_STORAGE: "10Gi",
    }
    assert [(entry.name, entry.value) for entry in container.resources.limits] == [(NAMES.CPU, "2")]


def test_secrets_are_mounted_as_variables() -> None:
    """By group and key."""
    task = TaskTemplate("t", NativeInterface(), secrets=[Secret("db", group="g", as_env_var="DB")])
    (secret,) = task.to_proto().security_context.secrets
    assert (secret.group, secret.key, secret.env_var) == ("g", "db", "DB")


async def test_a_task_without_an_executor_says_so() -> None:
    """And what to inherit from."""
    with pytest.raises(NotImplementedError, match="TaskTemplate can't run here: inherit from an executor"):
        await TaskTemplate("t", NativeInterface()).execute()


def test_a_task_shows_name_and_type() -> None:
    """In a debugger."""
    assert repr(Query("q", NativeInterface(), "query")) == "<Query 'q' of type 'query'>"
    assert Query("q", NativeInterface({"a": int})).native_interface.required_inputs() == ["a"]
