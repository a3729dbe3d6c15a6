"""Imports go one way, and the start stays light."""

from __future__ import annotations

import ast
import functools
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import flyte_connectors
import pytest

pytestmark = pytest.mark.once

ROOT = pathlib.Path(flyte_connectors.__file__).parent

CONTRACT = {
    "",
    "errors",
    "hookspecs",
    "connector",
    "bound",
    "secrets",
    "endpoints",
    "settings",
}
CONTRACT |= {"call_series", "_lazy_names", "_meta_codec", "_addresses", "_allow_list", "_masking"}
"""The modules of the root: what authors import, and what it is made of."""

FLOORS: list[set[str]] = [
    CONTRACT,
    {"_calls", "io", "http"},
    {"types"},
    {"authoring"},
    {"_registry"},
    {"_dispatch"},
    {"client", "service"},
    {"tasks"},
    {"testing", "app"},
    {"cli"},
    {"__main__"},
]
"""Rooms, lowest first: each imports only what is below it, or its own room."""

WITHOUT_PROTOBUF = {*CONTRACT, "_calls", "io", "http"}
"""What connector authors import, and what has no business with messages."""

HOMES = {
    "grpc": {"service", "client", "testing"},
    "grpc_health": {"service", "testing"},
    "grpc_reflection": {"service"},
    "prometheus_client": {"service"},
    "mashumaro": {"_meta_codec", "types", "cli"},
    "msgpack": {"types", "_dispatch"},
    "pluggy": {"hookspecs", "_registry"},
    "argparse": {"cli", "service", "testing"},
    "httpx": {"http"},
    "httpcore": {"http"},
}
"""The only rooms that may import a library."""

DEPENDENCIES = {
    *HOMES,
    "flyte_connectors",
    "flyteidl2",
    "google",  # protobuf's package, and that of googleapis-common-protos
    "importlib_metadata",
    "typing_extensions",
    "async_timeout",
    "tomli",
    "tomllib",  # of the standard library from 3.11
    # extras, imported when they are used
    "obstore",
    "fsspec",
    "uvloop",
    "opentelemetry",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    # the official SDKs, for interop
    "flyte",
    "flytekit",
    # what `new` and the conformance kit need
    "cookiecutter",
    "pytest",
    "pytest_asyncio",
    "hypothesis",
    "yaml",
}


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(set(ROOT.rglob("*.py")) - set((ROOT / "template").rglob("*.py"))):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        yield name, ast.parse(path.read_text())


MODULES = dict(_modules())


@functools.cache
def _imports(name: str) -> frozenset[str]:
    """Dotted names that a module imports when it runs, early or late."""
    return _named(name, for_types=False)


@functools.cache
def _named(name: str, *, for_types: bool) -> frozenset[str]:
    """Dotted names that a module imports, with or without those that only type hints need."""
    tree = MODULES[name]
    hints = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hints and not for_types:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _own(imported: str) -> str | None:
    """The module of this package that an import names."""
    prefix, _, name = imported.partition(".")
    if prefix != "flyte_connectors":
        return None
    return next((candidate for candidate in (name, name.rpartition(".")[0]) if candidate in MODULES), "")


def _room(module: str) -> str:
    """The room that a module is in: a folder, or the module itself in the root."""
    return module.partition(".")[0]


def _floor(room: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    """Never up, never sideways into another room."""
    room = _room(module)
    assert any(room in floor for floor in FLOORS), f"{module} is in no known room"
    used = {_own(imported) for imported in _named(module, for_types=True)} - {None}
    rooms = {_room(other) for other in used if other is not None} - {room, ""}
    wrong = {other for other in rooms if _floor(other) > _floor(room)}
    sideways = {other for other in rooms if _floor(other) == _floor(room)} - CONTRACT
    assert not wrong, f"{module} imports what is above it"
    assert not sideways, f"{module} imports a room of its own floor"


def test_the_root_holds_the_contract_alone() -> None:
    """Whatever else there is has a room."""
    modules = list(ROOT.glob("*.py"))
    assert len(modules) <= 14


@pytest.mark.parametrize("module", [module for module in MODULES if _room(module) in WITHOUT_PROTOBUF])
def test_messages_stay_in_the_rooms_that_translate_them(module: str) -> None:
    """Outside of type hints."""
    names = _imports(module)
    assert not [name for name in names if name.startswith(("flyteidl2.", "google.protobuf."))]


@pytest.mark.parametrize("module", MODULES)
def test_a_library_has_a_home(module: str) -> None:
    """Transport stays in the service, parsing of commands in the CLI, and so on."""
    for imported in _imports(module):
        homes = HOMES.get(imported.partition(".")[0])
        assert homes is None or _room(module).partition(".")[0] in homes, imported


@pytest.mark.parametrize("module", MODULES)
def test_no_plugin_and_no_vendor_is_imported(module: str) -> None:
    """Only the standard library and what `pyproject.toml` lists."""
    tops = {imported.partition(".")[0] for imported in _imports(module)}
    assert not tops - DEPENDENCIES - set(sys.stdlib_module_names)
    assert not {
        name
        for name in _imports(module)
        if name.startswith("google.") and not name.startswith(("google.protobuf.", "google.rpc."))
    }


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


HEAVY = {"grpc", "google.protobuf", "flyteidl2", "argparse", "pluggy", "mashumaro", "asyncio"}


def test_the_package_costs_next_to_nothing() -> None:
    """`import flyte_connectors` loads neither transport nor messages nor commands."""
    assert not _loaded_by("import flyte_connectors") & HEAVY


def test_a_connector_module_loads_no_transport() -> None:
    """What authors import at the top of a plugin does not slow every start."""
    statement = (
        "from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta,"
        " hookimpl; import flyte_connectors.errors"
    )
    assert not _loaded_by(statement) & {"grpc", "google.protobuf", "flyteidl2", "argparse"}
