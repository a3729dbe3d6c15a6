"""The authoring classes: both styles of declaring, and Flyte's phases."""

from __future__ import annotations

import dataclasses

import pytest
from flyte_connectors import (
    AsyncConnector,
    ConnectorSecretsMixin,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnector,
    TaskCategory,
)
from flyte_connectors.connector import TERMINAL_PHASES
from flyteidl2.core.execution_pb2 import TaskExecution


class Meta(ResourceMeta):
    job: str


def test_identity_can_be_class_attributes() -> None:
    """Nothing needs an `__init__`."""

    class Mine(AsyncConnector[Meta]):
        task_type_name = "mine"
        task_type_version = 2
        metadata_type = Meta

    assert Mine().task_category == TaskCategory("mine", 2)


def test_identity_can_be_given_to_init() -> None:
    """One class can serve several task types."""

    class Mine(AsyncConnector[Meta]):
        def __init__(self, task_type: str) -> None:
            super().__init__(task_type_name=task_type, task_type_version=1, metadata_type=Meta)

    one, other = Mine("one"), Mine("other")
    assert (one.task_category, other.task_category) == (
        TaskCategory("one", 1),
        TaskCategory("other", 1),
    )
    assert one.metadata_type is Meta


def test_sync_connectors_take_the_same_identity() -> None:
    """Both kinds are declared alike."""

    class Quick(SyncConnector):
        def __init__(self) -> None:
            super().__init__(task_type_name="quick", task_type_version=3)

    assert Quick().task_category == TaskCategory("quick", 3)


@pytest.mark.parametrize("base", [AsyncConnector, SyncConnector])
def test_the_secrets_mixin_works_with_both_kinds(base: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments travel along the bases in one call."""

    class Mine(ConnectorSecretsMixin, base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(task_type_name="mine", secrets={"token": "MINE_TOKEN"})

    monkeypatch.setenv("MINE_TOKEN", "hunter2")
    connector = Mine()
    assert connector.task_category.name == "mine"
    assert connector.secret("token") == "hunter2"


def test_phases_are_flytes() -> None:
    """Names and numbers are those of `TaskExecution.Phase`, so either enum can be used."""
    assert {phase.name: phase.value for phase in Phase} == dict(TaskExecution.Phase.items())


def test_terminal_phases_are_the_ends() -> None:
    """Flyte never polls a job in one of them again."""
    assert {phase.name for phase in TERMINAL_PHASES} == {
        "SUCCEEDED",
        "FAILED",
        "ABORTED",
        "RETRYABLE_FAILED",
    }


def test_a_category_is_shown_with_its_version() -> None:
    """For messages to people; its version is 0 unless stated."""
    assert str(TaskCategory("bigquery")) == "'bigquery' version 0"


def test_a_resource_needs_only_a_phase() -> None:
    """Everything else is optional."""
    assert [f.name for f in dataclasses.fields(Resource) if f.default is dataclasses.MISSING] == ["phase"]
