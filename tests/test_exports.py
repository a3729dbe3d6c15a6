"""What the packages offer for import: every promised name is there and documented, and none is forgotten."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def exporting() -> dict[str, ast.Module]:
    """The modules of all packages that say what they export, in `__all__` or a stub, by name."""
    found = {}
    for source in (ROOT / "core" / "src", *sorted(ROOT.glob("plugins/*/src"))):
        for file in sorted(source.rglob("*.py*")):
            if file.suffix not in (".py", ".pyi"):
                continue
            tree = ast.parse(file.read_text())
            if file.suffix == ".pyi" or any("__all__" in assigned(node) for node in tree.body):
                parts = file.relative_to(source).with_suffix("").parts
                found[".".join(parts).removesuffix(".__init__")] = tree
    return found


def assigned(node: ast.stmt, package: str = "") -> list[str]:
    """The names that a statement defines or takes from `package`, those for type checkers included."""
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] == package:
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.If):
        return [name for inner in node.body for name in assigned(inner, package)]
    return []


EXPORTING = exporting()


def test_every_package_says_what_it_exports() -> None:
    """The core, and each plugin."""
    plugins = {source.name for source in ROOT.glob("plugins/*/src/*") if "." not in source.name}
    assert {"flyte_connectors", "flyte_connectors.testing", *plugins} <= set(EXPORTING)


@pytest.mark.parametrize("name", EXPORTING)
def test_exported_names_exist_and_are_documented(name: str) -> None:
    """Classes and functions by a docstring of their own."""
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for exported in module.__all__:
        value = getattr(module, exported)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert inspect.getdoc(value), f"{name}.{exported} has no docstring"


@pytest.mark.parametrize("name", EXPORTING)
def test_no_public_name_is_forgotten(name: str) -> None:
    """What a module defines, or takes from its package to offer it, is exported or private."""
    tree, package = EXPORTING[name], importlib.import_module(name)
    public = {
        bound
        for node in tree.body
        for bound in assigned(node, name.partition(".")[0])
        if not bound.startswith("_") and bound != "TYPE_CHECKING"
    }
    assert public <= set(package.__all__)
