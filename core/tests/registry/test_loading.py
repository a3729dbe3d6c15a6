"""What is left of a plugin that fails, what a module registers besides its entry point, missing extras, names."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterator
from textwrap import dedent

import pytest
from flyte_connectors._registry.discovery import PluginReport, Status, load_plugins
from flyte_connectors._registry.installed import Selection
from flyte_connectors._registry.table import Registry

Install = Callable[..., None]

CONNECTOR = """
from flyte_connectors import AsyncConnector, ConnectorRegistry, ResourceMeta, hookimpl

class Meta(ResourceMeta):
    pass

class First(AsyncConnector):
    name = task_type_name = "fixture_first"
    metadata_type = Meta
    async def create(self, **_): ...
    async def get(self, **_): ...
    async def delete(self, **_): ...

class Second(First):
    name = task_type_name = "fixture_second"
"""
OVERRIDES = (
    CONNECTOR
    + """
@hookimpl
def wrap_verb(verb, call):
    return call

ConnectorRegistry.register(First(), override=True)
"""
)
FOREIGN_SDK = "REGISTRY = []\nclass Base:\n    pass\n"
FOREIGN_HOST = """
import types
import fixture_foreign_sdk as sdk
from flyte_connectors import AsyncConnector, ResourceMeta, hookimpl

class Meta(ResourceMeta):
    pass

class Hosted(AsyncConnector):
    metadata_type = Meta
    def __init__(self, theirs):
        self.__module__ = type(theirs).__module__
        self.name = self.task_type_name = theirs.task_type_name
    async def create(self, **_): ...
    async def get(self, **_): ...
    async def delete(self, **_): ...

@hookimpl
def adapt(plugin):
    if not isinstance(plugin, types.ModuleType):
        return Hosted(plugin) if isinstance(plugin, sdk.Base) else None
    name = plugin.__name__
    return [Hosted(c) for c in sdk.REGISTRY if f"{type(c).__module__}.".startswith(f"{name}.")] or None
"""
FOREIGN_PLUGIN = """
import fixture_foreign_sdk as sdk

class First(sdk.Base):
    task_type_name = "fixture_foreign_first"

class Second(sdk.Base):
    task_type_name = "fixture_foreign_second"

sdk.REGISTRY += [First(), Second()]
"""


@pytest.fixture
def install(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with one module and some entry points on `sys.path`; forget it afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, source: str, *objects: str, requires: tuple[str, ...] = ()) -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(dedent(source))
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        points = [f"{module}_{n} = {module}{of}" for n, of in enumerate(objects or ("",))]
        (info / "entry_points.txt").write_text("\n".join(["[flyte.connectors]", *points]))

    yield install
    for module in [module for module in sys.modules if module.startswith("fixture_")]:
        del sys.modules[module]


def load(registry: Registry) -> dict[str, PluginReport]:
    """The reports of the distributions of this test, by entry point."""
    reports = load_plugins(registry)
    return {r.entry_point: r for r in reports if r.distribution.startswith("fixture-")}


@pytest.mark.parametrize(
    "end", ["raise RuntimeError('late')", "ConnectorRegistry.register(Meta())", "raise SystemExit"]
)
def test_a_plugin_that_fails_takes_no_others_connector_with_it(
    install: Install, process_registry: Registry, end: str
) -> None:
    """What it has overridden serves again, and its wrapper goes around nothing."""
    install("fixture-a", CONNECTOR, ":First")
    install("fixture-b", f"{OVERRIDES}\n{end}\n")
    reports = load(process_registry)
    assert reports["fixture_a_0"].status is Status.LOADED
    assert reports["fixture_b_0"].status is Status.FAILED
    serving = process_registry.find("fixture_first")
    assert serving.source == "fixture-a 1.0"
    assert serving.verbs["get"].wrappers == process_registry.wrappers
    assert not [wrapper for wrapper in process_registry.wrappers if "fixture" in wrapper.__module__]


def test_an_override_that_succeeds_stays(install: Install, process_registry: Registry) -> None:
    """With its wrapper."""
    install("fixture-a", CONNECTOR, ":First")
    install("fixture-b", OVERRIDES)
    assert load(process_registry)["fixture_b_0"].status is Status.LOADED
    assert process_registry.find("fixture_first").source == "fixture-b 1.0"
    assert process_registry.wrappers


REGISTERS_BOTH = CONNECTOR + "\nConnectorRegistry.register(First())\nConnectorRegistry.register(Second())\n"
REGISTERS_OTHER = CONNECTOR + "\nConnectorRegistry.register(Second())\n"


@pytest.mark.parametrize("source", [REGISTERS_BOTH, REGISTERS_OTHER])
def test_all_that_a_module_registers_is_served_and_reported(
    install: Install, process_registry: Registry, source: str
) -> None:
    """Also where its entry point names one of its classes only."""
    install("fixture-a", source, ":First")
    report = load(process_registry)["fixture_a_0"]
    types = {bound.category.name for bound in report.connectors}
    assert types == {"fixture_first", "fixture_second"}
    assert process_registry.find("fixture_second").source == "fixture-a 1.0"


@pytest.mark.parametrize("objects", [(":First",), (":First", ":Second"), (":Second", ":First")])
def test_all_that_a_module_tells_another_framework_is_served_and_reported(
    install: Install, process_registry: Registry, objects: tuple[str, ...]
) -> None:
    """Once each, whether the other one has an entry point of its own or not."""
    install("fixture-foreign-sdk", FOREIGN_SDK)
    install("fixture-foreign-host", FOREIGN_HOST)
    install("fixture-plugin", FOREIGN_PLUGIN, *objects)
    reports = load(process_registry)
    mine = [reports[f"fixture_plugin_{n}"] for n in range(len(objects))]
    assert [(report.status, report.reason) for report in mine] == [(Status.LOADED, "")] * len(mine)
    types = {bound.category.name for report in mine for bound in report.connectors}
    assert types == {"fixture_foreign_first", "fixture_foreign_second"}
    for task_type in types:
        assert process_registry.find(task_type).source == "fixture-plugin 1.0"


NEEDS = "import fixture_vendor_sdk\n" + CONNECTOR


def test_a_missing_extra_is_no_fault(install: Install, process_registry: Registry) -> None:
    """The report says how to install it, and so does the answer to who asks for its task type."""
    requires = (
        "pluggy>=1",
        'fixture-vendor-sdk; extra == "vendor"',
        'fixture-else; extra == "else"',
        'colorama; sys_platform == "win32"',
    )
    install("fixture-a", NEEDS, ":First", requires=requires)
    report = load(process_registry)["fixture_a_0"]
    assert report.status is Status.UNAVAILABLE
    assert report.reason.startswith("No module named 'fixture_vendor_sdk': pip install ")
    assert 'pip install "fixture-a[' in report.reason
    assert any("fixture-a" in failure for failure in process_registry.failures)


def test_the_extra_of_the_missing_module_is_named(install: Install, process_registry: Registry) -> None:
    """Of several that are not installed."""
    requires = (
        'fixture-another; extra == "another"',
        'fixture-vendor-sdk; extra == "vendor"',
        'fixture-zoo; extra == "zoo"',
    )
    install("fixture-a", NEEDS, ":First", requires=requires)
    assert 'pip install "fixture-a[vendor]"' in load(process_registry)["fixture_a_0"].reason


@pytest.mark.parametrize(
    ("source", "requires"),
    [
        (NEEDS, ()),
        (NEEDS, ("fixture-vendor-sdk",)),
        (NEEDS, ("fixture-needed", 'fixture-vendor-sdk; extra == "vendor"')),
        (NEEDS, ('pluggy; extra == "vendor"',)),
        ("import fixture_a.missing", ('fixture-vendor-sdk; extra == "vendor"',)),
        ("from pluggy import missing", ('fixture-vendor-sdk; extra == "vendor"',)),
        ("raise RuntimeError('broken')", ('fixture-vendor-sdk; extra == "vendor"',)),
    ],
    ids=[
        "no extra",
        "required",
        "another is required",
        "installed extra",
        "own module",
        "a name of an installed module",
        "another error",
    ],
)
def test_what_no_extra_explains_is_a_fault(
    install: Install, process_registry: Registry, source: str, requires: tuple[str, ...]
) -> None:
    """A plugin that is broken stays broken."""
    install("fixture-a", source, ":First", requires=requires)
    assert load(process_registry)["fixture_a_0"].status is Status.FAILED


def test_names_that_match_nothing_are_found(install: Install) -> None:
    """With the plugin that is probably meant; spelling as PEP 503 has it is no mistake."""
    install("fixture-a", CONNECTOR, ":First")
    assert Selection.of(["Fixture_A"], ["fixture-a-0"]).unknown() == {}
    assert Selection.of(["fixture-b"], ["fixtur-a-0", "xyz"]).unknown() == {
        "fixture-b": "fixture-a",
        "fixtur-a-0": "fixture-a-0",
        "xyz": "",
    }
