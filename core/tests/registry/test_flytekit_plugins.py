"""Plugins that flytekit finds by its own entry points, beside a plugin that can host their connectors."""

from __future__ import annotations

import pytest
from flyte_connectors._registry.discovery import Status, load_plugins
from flyte_connectors._registry.installed import FLYTEKIT_PLUGINS, Selection
from flyte_connectors._registry.table import Registry
from site_packages import Site

ADAPTER = """
from flyte_connectors import SyncConnector, hookimpl
@hookimpl
def adapt(plugin):
    found = getattr(plugin, "FOREIGN", None)
    if found is None:
        return None
    class Hosted(SyncConnector):
        name = task_type_name = found
        async def do(self, **kwargs): ...
    return [Hosted()]
"""


@pytest.fixture
def theirs(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """One plugin with a connector, one without, and one that does not load."""
    monkeypatch.setenv("FLYTE_CONNECTORS_DENY", "flyte-connectors-official")
    for name, source in {
        "fixture_jobs": "FOREIGN = 'their_job'",
        "fixture_types": "",
        "fixture_broken": "import no_such_module",
    }.items():
        (site.folder / f"{name}.py").write_text(source)
        site.declare(name, name, FLYTEKIT_PLUGINS)
    return site


def test_they_are_hosted_where_a_plugin_can(theirs: Site) -> None:
    """A service ignores one without a connector, and starts although one is broken."""
    theirs.install(ADAPTER, name="fixture_adapter")
    registry = Registry()
    reports = {report.entry_point: report for report in load_plugins(registry)}
    assert reports["fixture_jobs"].status is Status.LOADED
    assert registry.find("their_job").source == "fixture_jobs 1.0"
    assert "fixture_types" not in reports
    assert reports["fixture_broken"].status is Status.UNAVAILABLE
    assert "no_such_module" in reports["fixture_broken"].reason


def test_they_are_left_alone_where_none_can(theirs: Site) -> None:
    """Importing flytekit takes seconds."""
    names = {report.entry_point for report in load_plugins(Registry())}
    assert not {name for name in names if name.startswith("fixture_")}


def test_they_can_be_excluded(theirs: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their names, as all others."""
    theirs.install(ADAPTER, name="fixture_adapter")
    monkeypatch.setenv("FLYTE_CONNECTORS_DENY", "flyte-connectors-official,fixture-jobs")
    registry = Registry()
    load_plugins(registry)
    assert "their_job" not in {bound.category.name for bound in registry}
    assert Selection.of(deny=["fixture-jobs", "fixture-jops"]).unknown() == {"fixture-jops": "fixture-jobs"}
