"""The modules that a function's code imports in any case, so that what a job lacks is known before it begins.

Counted are the imports that run when the function's module is imported, in it and in what goes with it, and those at
the top of the function's body. What stands in `try`, in `if` or in other functions may never run. Nothing is imported
here: files are parsed.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from flyte_connectors_functions import code

Statement = ast.Import | ast.ImportFrom


@functools.lru_cache(maxsize=256)
def required(module: str, name: str) -> tuple[str, ...]:
    """Top-level names of the modules that have to be installed where a function of a loaded module runs."""
    files = code.files_of(module)
    if not files:
        return (module.partition(".")[0],)
    return tuple(sorted(_Imports(files).of(module, name)))


class _Imports:
    """What files import.

    Args:
        files: The code that goes with a function, by the path of each file.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._own = {path.partition("/")[0].removesuffix(".py") for path in files}
        self._seen: set[str] = set()
        self._others: set[str] = set()

    def of(self, module: str, name: str) -> set[str]:
        """The foreign modules that importing a module, and calling a function of it, needs."""
        self._follow(module)
        path = self._path(module)
        tree = _tree(self._files[path]) if path else None
        for node in tree.body if tree else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
                self._add(node.body, module, path)
        return self._others

    def _follow(self, module: str) -> None:
        """Add what importing a module of these files, its packages included, imports."""
        parts = module.split(".")
        for size in range(1, len(parts) + 1):
            part = ".".join(parts[:size])
            path = self._path(part)
            if path and part not in self._seen:
                self._seen.add(part)
                tree = _tree(self._files[path])
                self._add(tree.body if tree else (), part, path)

    def _add(self, body: Iterable[ast.stmt], module: str, path: str) -> None:
        for statement in _certain(body):
            for imported in _names(statement, module, is_package=path.endswith("/__init__.py")):
                top = imported.partition(".")[0]
                if top in self._own:
                    self._follow(imported)
                elif top != "__future__":
                    self._others.add(top)

    def _path(self, module: str) -> str:
        """The file of a module; empty if there is none."""
        base = module.replace(".", "/")
        return next((path for path in (f"{base}/__init__.py", f"{base}.py") if path in self._files), "")


def _tree(file: Path) -> ast.Module | None:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):  # the job will say it, if it imports this at all
        return None


def _certain(body: Iterable[ast.stmt]) -> Iterator[Statement]:
    """The imports among statements that run in any case."""
    for node in body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif isinstance(node, (ast.ClassDef, ast.With)):
            yield from _certain(node.body)


def _names(statement: Statement, module: str, *, is_package: bool) -> Iterator[str]:
    """The modules that a statement may import: `from a import b` that of `a`, and `a.b` if that is one."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    base = statement.module or ""
    if statement.level:
        parts = module.split(".")
        kept = len(parts) - statement.level + is_package
        base = ".".join([*parts[:kept], *([base] if base else [])])
    if base:
        yield base
        yield from (f"{base}.{alias.name}" for alias in statement.names)
