"""The files that go with a function: those of its module's package, and no others.

    etl.clean            the package `etl`: all its files, data included
    tasks                `tasks.py`, and what it imports from the same folder, or of the package that it lies in
    an installed module  none: it has to be installed where the job runs, too

Left out are what `.gitignore` files name, hidden files, and bytecode.
"""

from __future__ import annotations

import ast
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pathspec

_NEVER = ("__pycache__",)
_TOP = (".git", ".hg")
"""A folder with one of these is the top of a work tree."""


def files_of(module: str) -> dict[str, Path]:
    """The files of a loaded module's code, by their path below the folder that it is imported from.

    Empty for a module that is installed, or has no file.
    """
    top = sys.modules[module.partition(".")[0]]
    folders = list(getattr(top, "__path__", ()))
    if not folders and getattr(top, "__file__", None) is None:
        return {}
    path = Path(folders[0] if folders else str(top.__file__)).absolute()
    if _is_installed(path):
        return {}
    root = path.parent
    if folders:
        return dict(_below(path, root))
    return _with_siblings(path)


def _with_siblings(first: Path) -> dict[str, Path]:
    """A module, and what it imports from its own folder, or of the package that this folder is."""
    root = first.parent
    found = {first.name: first}
    pending = [first]
    while pending:
        for name in _imported(pending.pop()):
            package = root if name == root.name else root / name
            if (package / "__init__.py").is_file():
                files = dict(_below(package, package.parent))
            else:
                file = root / f"{name}.py"
                files = {file.name: file} if file.is_file() else {}
            new = {name: file for name, file in files.items() if name not in found}
            found |= new
            pending += [file for file in new.values() if file.suffix == ".py"]
    return found


def _imported(file: Path) -> set[str]:
    """The top-level modules that a file imports, anywhere in it."""
    names: set[str] = set()
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # not one that was imported here
        return set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _below(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """All files of a folder that are not ignored, in order."""
    rules = _Ignored(folder)
    for current, folders, names in os.walk(folder):
        here = Path(current)
        rules.read(here)
        folders[:] = sorted(
            name
            for name in folders
            if name[0] != "." and name not in _NEVER and not rules.match(here / name, is_folder=True)
        )
        for name in sorted(names):
            file = here / name
            if name[0] == "." or file.suffix in (".pyc", ".pyo") or not file.is_file():
                continue
            if not rules.match(file):
                yield file.relative_to(root).as_posix(), file


class _Ignored:
    """The `.gitignore` files from the top of the work tree on."""

    def __init__(self, folder: Path) -> None:
        self._rules: dict[Path, pathspec.GitIgnoreSpec] = {}
        above = [folder, *folder.parents]
        tops = [place for place, path in enumerate(above) if any((path / n).exists() for n in _TOP)]
        for path in above[1 : tops[0] + 1 if tops else 2]:
            self.read(path)

    def read(self, folder: Path) -> None:
        file = folder / ".gitignore"
        if folder not in self._rules and file.is_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            self._rules[folder] = pathspec.GitIgnoreSpec.from_lines(lines)

    def match(self, path: Path, *, is_folder: bool = False) -> bool:
        """Whether a path is ignored; the nearest file that says something about it decides."""
        for folder in path.parents:
            rules = self._rules.get(folder)
            if rules is not None:
                name = path.relative_to(folder).as_posix() + ("/" if is_folder else "")
                decision = rules.check_file(name).include
                if decision is not None:
                    return decision
        return False


def _is_installed(path: Path) -> bool:
    places = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    places.update([*site.getsitepackages(), site.getusersitepackages()])
    return any(path.is_relative_to(place) for place in places)
