"""The routing table: one connector for each task type and version, and nobody else's answer."""

from __future__ import annotations

from typing import Any

import pytest
from fake_jobs import JobConnector, JobService
from flyte_connectors import ConnectorRegistry
from flyte_connectors._registry.table import Registry, registering_for
from flyte_connectors.errors import (
    ConnectorNotFoundError,
    DuplicateTaskTypeError,
    RegistrationError,
)


def connector(task_type: str, version: int = 0, name: str = "Fake Jobs") -> JobConnector:
    made = JobConnector(JobService())
    made.task_type_name, made.task_type_version, made.name = task_type, version, name
    return made


class NeedsNothing(JobConnector):
    task_type_name = "needs_nothing"

    def __init__(self) -> None:
        super().__init__(JobService())


def test_each_version_is_a_route_of_its_own() -> None:
    """Type and version together choose the connector."""
    registry = Registry()
    one, two = connector("t", 1), connector("t", 2)
    registry.register(one)
    registry.register(two)
    assert registry.find("t", 1).plugin is one
    assert registry.find("t", 2).plugin is two
    with pytest.raises(ConnectorNotFoundError):
        registry.find("t")


def test_a_later_connector_changes_no_route() -> None:
    """What was bound stays bound: no job goes to a connector that came later."""
    registry = Registry()
    first = registry.register(connector("first"))
    registry.register(connector("second"))
    assert registry.find("first") is first


def test_a_class_that_needs_no_arguments_is_instantiated() -> None:
    """So that an entry point may name the class."""
    registry = Registry()
    assert isinstance(registry.register(NeedsNothing).plugin, NeedsNothing)


def test_a_class_that_needs_arguments_is_refused() -> None:
    """The text says what to do instead."""
    with pytest.raises(RegistrationError, match="JobConnector"):
        Registry().register(JobConnector)


def test_an_unknown_type_lists_the_known_ones() -> None:
    """A typing error is seen at once; the texts of strangers are kept short."""
    registry = Registry()
    with pytest.raises(ConnectorNotFoundError, match=r"known: none$"):
        registry.find("t")
    registry.register(connector("b", 1))
    registry.register(connector("a"))
    with pytest.raises(ConnectorNotFoundError) as caught:
        registry.find("x" * 5000, 7)
    assert caught.value.message.endswith("version 7; known: 'a' version 0, 'b' version 1")
    assert len(caught.value.message) < 300


def test_a_task_type_has_one_connector() -> None:
    """Both rivals and their origins are named, and the first keeps the route."""
    registry = Registry()
    registry.register(connector("t", name="One"), source="dist-one 1.0")
    with pytest.raises(DuplicateTaskTypeError) as caught:
        registry.register(connector("t", name="Two"), source="dist-two 2.0")
    assert caught.value.message == (
        "task type 't' version 0 of Two (dist-two 2.0) is already served by One (dist-one 1.0): "
        "uninstall or deny one of them"
    )
    assert registry.find("t").name == "One"


def test_an_override_leaves_nothing_stale() -> None:
    """Neither route nor metadata remember the connector that was replaced."""
    registry = Registry()
    registry.register(connector("t", name="Old"))
    assert set(registry.metadata()) == {"Old"}
    registry.register(connector("t", name="New"), override=True)
    assert registry.find("t").name == "New"
    table = registry.metadata()
    assert set(table) == {"New"}
    assert len(table["New"].supported_task_categories) == 1


def test_a_refused_connector_leaves_nothing_behind() -> None:
    """The registry is as before."""
    registry = Registry()
    registry.register(connector("t"))
    before = dict(registry.metadata())
    broken = connector("")
    with pytest.raises(RegistrationError):
        registry.register(broken)
    assert registry.metadata() == before
    assert len(list(registry)) == 1


def test_what_fails_half_way_leaves_the_registry_as_it_was() -> None:
    """Routes, metadata, wrappers and pages; one that was overridden serves again, without the new wrapper."""
    registry = Registry()
    first = registry.register(connector("taken", name="First"))
    wrappers = first.verbs["get"].wrappers

    def fail_half_way() -> None:
        with registry.transaction():
            registry.register(connector("taken", name="Second"), override=True)
            registry.register(connector("new", name="New"))
            registry.wrap(lambda _, call: call)
            registry.take_hooks({"http_routes": lambda service: None, "warm_up": lambda: None})
            assert set(registry.metadata()) == {"Second", "New"}
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert registry.find("taken") is first
    assert set(registry.metadata()) == {"First"}
    assert first.verbs["get"].wrappers == registry.wrappers == wrappers == ()
    assert not any(registry.hooks.values())


def test_connectors_of_one_name_share_an_entry() -> None:
    """The metadata lists every category of a name once."""
    registry = Registry()
    registry.register(connector("t", 0))
    registry.register(connector("t", 1))
    (entry,) = registry.metadata().values()
    assert [(c.name, c.version) for c in entry.supported_task_categories] == [("t", 0), ("t", 1)]


def test_the_source_is_who_registers() -> None:
    """A module's own, or the plugin's that is just being loaded."""
    registry = Registry()
    assert registry.register(connector("mine")).source == "fake_jobs"
    with registering_for("dist 1.0"):
        assert registry.register(connector("theirs")).source == "dist 1.0"
    assert registry.register(connector("mine_again")).source == "fake_jobs"


class TestConnectorRegistry:
    """The face that connector modules know."""

    def test_it_shows_the_registry_of_the_process(self, process_registry: Registry) -> None:
        """Registered here, found there."""
        mine: Any = connector("t", 3)
        ConnectorRegistry.register(mine)
        assert ConnectorRegistry.get_connector("t", 3) is mine
        assert process_registry.find("t", 3).plugin is mine

    def test_it_overrides_only_when_told_to(self, process_registry: Registry) -> None:
        """A second connector for a task type is an error otherwise."""
        ConnectorRegistry.register(connector("t"))
        with pytest.raises(DuplicateTaskTypeError):
            ConnectorRegistry.register(connector("t"))
        ConnectorRegistry.register(connector("t", name="New"), override=True)
        assert [entry.name for entry in ConnectorRegistry.list_connectors()] == ["New"]

    def test_it_tells_what_a_connector_serves(self, process_registry: Registry) -> None:
        """By the connector's name; an unknown one lists the known ones."""
        ConnectorRegistry.register(connector("t", name="Mine"))
        entry = ConnectorRegistry.get_connector_metadata("Mine")
        assert [category.name for category in entry.supported_task_categories] == ["t"]
        with pytest.raises(ConnectorNotFoundError, match="no connector is named 'x'; known: Mine"):
            ConnectorRegistry.get_connector_metadata("x")
