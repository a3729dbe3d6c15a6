"""The source of all packages, and of what is done with them: files that can be read in one go, imports without circles."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [folder for folder in (ROOT / "core" / "src", *sorted(ROOT.glob("plugins/*/src"))) if folder.is_dir()]
BESIDE = [ROOT / name for name in ("benchmarks", "docs", "examples", "sessions", "template")]

LONGEST_FILE = 350
"""Lines, docstrings included."""


def modules_in(source: Path) -> dict[str, Path]:
    """The files of a package by the names that imports have for them."""
    found = {}
    for file in source.rglob("*.py"):
        parts = file.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported_by(file: Path, modules: dict[str, Path]) -> set[str]:
    """Those of `modules` that a file imports, at any time, even for type hints alone."""
    found = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in whole.values()}
    return found & modules.keys()


def test_every_file_can_be_read_in_one_go() -> None:
    """Tests apart."""
    files = [file for folder in (*SOURCES, *BESIDE) for file in folder.rglob("*.py") if "tests" not in file.parts]
    assert len(files) > 500
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in (*files, ROOT / "noxfile.py")
    }
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.parent.name)
def test_no_module_imports_itself_by_way_of_others(source: Path) -> None:
    """Not even for a type hint."""
    modules = modules_in(source)
    graph = {name: imported_by(file, modules) - {name} for name, file in modules.items()}
    assert tuple(graphlib.TopologicalSorter(graph).static_order())  # a CycleError names the circle


@pytest.mark.parametrize(
    "folder", [ROOT / "tests", *sorted(ROOT.glob("*/tests")), *sorted(ROOT.glob("plugins/*/tests"))]
)
def test_no_property_fails_because_the_machine_is_busy(folder: Path) -> None:
    """Hypothesis allows an example 200 ms by default, which a loaded machine takes for a pause."""
    if any("from hypothesis import" in file.read_text() for file in folder.rglob("*.py")):
        assert "deadline=None" in (folder / "conftest.py").read_text()
