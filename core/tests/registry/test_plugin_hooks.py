"""Hooks besides the verbs: verified when a plugin is loaded, and listed with it."""

from __future__ import annotations

import types
from typing import Any

import pytest
from flyte_connectors import SyncConnector, hookimpl
from flyte_connectors._registry.discovery import PluginReport, Status, load_module, load_plugins
from flyte_connectors._registry.plugin_hooks import hooks_of
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import RegistrationError
from site_packages import Site

ADAPTER = """
import sys
from flyte_connectors import SyncConnector, hookimpl

class Adapted(SyncConnector):
    def __init__(self, theirs):
        super().__init__(task_type_name=theirs.kind)
        self.name = f"adapted {theirs.kind}"

    def do(self, inputs, **kwargs): ...

@hookimpl
def adapt(plugin):
    framework = sys.modules.get("fixture_framework")
    if framework is None:
        return None
    if plugin.__class__.__name__ == "module":
        return [Adapted(theirs) for theirs in framework.registry if theirs.__module__ == plugin.__name__]
    return Adapted(plugin) if isinstance(plugin, framework.Job) else None
"""
FRAMEWORK = """
registry = []

class Job:
    kind = "job"
"""
THEIRS = """
import fixture_framework

class Copy(fixture_framework.Job):
    kind = "copy"

class Move(fixture_framework.Job):
    kind = "move"

fixture_framework.registry.extend([Copy(), Move()])
"""


def report(registry: Registry, name: str, **lists: Any) -> PluginReport:
    """How a plugin was loaded."""
    reports = load_plugins(registry, **{"allow": [name, "fixture_adapter"], **lists})
    return next(report for report in reports if report.entry_point == name)


@pytest.fixture
def framework(site: Site) -> Site:
    """Another framework, with no word about this one."""
    site.install(FRAMEWORK, name="fixture_framework")
    return site


class TestAdapt:
    """Somebody else's connectors become ours."""

    def test_an_object_of_an_entry_point(self, framework: Site) -> None:
        """With what its module has registered besides, although it is loaded before its adapter."""
        framework.install(THEIRS, ":Copy", name="fixture_aaa")
        framework.install(ADAPTER, name="fixture_adapter")
        loaded = report(Registry(), "fixture_aaa")
        assert (loaded.status, loaded.reason) == (Status.LOADED, "")
        assert [bound.name for bound in loaded.connectors] == ["adapted copy", "adapted move"]

    def test_all_that_a_module_has_registered(self, framework: Site) -> None:
        """With the other framework, while it was imported."""
        framework.install(THEIRS, name="fixture_theirs")
        framework.install(ADAPTER, name="fixture_adapter")
        loaded = report(Registry(), "fixture_theirs")
        assert [bound.category.name for bound in loaded.connectors] == ["copy", "move"]

    def test_an_object_that_is_registered_by_hand(self, framework: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without that plugins were loaded before."""
        monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "fixture_adapter")
        framework.install(ADAPTER, name="fixture_adapter")
        job = __import__("fixture_framework").Job()
        assert Registry().register(job).name == "adapted job"

    def test_a_blocked_adapter_is_not_asked(self, framework: Site) -> None:
        """The lists hold for what adapts as for what serves."""
        framework.install(THEIRS, ":Copy", name="fixture_theirs")
        framework.install(ADAPTER, name="fixture_adapter")
        registry = Registry()
        blocked = report(registry, "fixture_theirs", deny=["fixture_adapter"])
        assert blocked.status is Status.FAILED
        assert not list(registry)

    def test_ours_are_not_adapted(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """No adapter is even looked for."""
        monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "fixture_adapter")
        site.install("adapt = 1\nraise RuntimeError", name="fixture_adapter")

        class Ours(SyncConnector):
            task_type_name = "ours"

            def do(self, inputs: Any, **kwargs: Any) -> None: ...

        assert Registry().register(Ours).name == "Ours"


def test_the_hooks_of_a_plugin_are_reported(site: Site) -> None:
    """Beside its connectors, if it has any."""
    site.install(ADAPTER, name="fixture_adapter")
    loaded = report(Registry(), "fixture_adapter")
    assert (loaded.status, loaded.connectors, loaded.hooks) == (Status.LOADED, [], ("adapt",))
    source = ADAPTER.replace("def adapt(plugin)", "def do(inputs)")
    source += "\ntask_type_name = 'both'\n@hookimpl\ndef wrap_verb(verb, call): return call\n"
    site.install(source, name="fixture_both")
    loaded = report(Registry(), "fixture_both")
    assert [bound.category.name for bound in loaded.connectors] == ["both"]
    assert loaded.hooks == ("wrap_verb",)


def test_a_misspelled_hook_is_an_error() -> None:
    """In a plugin without a connector, too; nothing of it is taken."""
    module = types.ModuleType("acme")

    @hookimpl
    def http_route(service: Any) -> Any: ...

    @hookimpl
    def wrap_verb(verb: Any, call: Any) -> Any: ...

    module.__dict__.update(http_route=http_route, wrap_verb=wrap_verb)
    registry = Registry()
    with pytest.raises(RegistrationError, match=r"^acme: unknown hook 'http_route' in plugin acme"):
        load_module(registry, module, "acme")
    assert registry.wrappers == ()


def test_a_property_of_a_plugin_is_not_asked() -> None:
    """It may open a connection."""

    class Plugin:
        @property
        def connection(self) -> None:
            raise AssertionError("opened")

        @hookimpl
        def adapt(self, plugin: Any) -> Any: ...

    assert list(hooks_of(Plugin())) == ["adapt"]


def test_a_connector_of_the_official_sdk_names_the_extra(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no plugin hosts it."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "")
    base = type("AsyncConnector", (), {"__module__": "flyte.connectors._connector"})
    module = types.ModuleType("fixture_legacy")
    legacy = type("Legacy", (base,), {"__module__": module.__name__, "task_type_name": "legacy"})
    text = r'Legacy was written for the official SDK \(flyte\).* pip install "flyte-connectors\[of'
    with pytest.raises(RegistrationError, match=text):
        Registry().register(legacy())
    module.Legacy = legacy  # type: ignore[attr-defined]
    with pytest.raises(RegistrationError, match=text):
        load_module(Registry(), module, "fixture_legacy")
