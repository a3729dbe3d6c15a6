"""`include`: which files go along into the image, which modules are served, and their task types.

The author's modules are read, not imported: what they need is installed in the image only.
"""

from __future__ import annotations

import ast
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

from flyte_connectors.errors import InvalidRequestError

_LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache"})


@dataclasses.dataclass(frozen=True)
class Sources:
    """The author's files.

    Attributes:
        root: Folder that their names are relative to.
        files: Names of all files, sorted.
        modules: Dotted names of the modules that register connectors.
        task_types: What those say they serve, as far as it is written out.
    """

    root: pathlib.Path
    files: tuple[pathlib.PurePosixPath, ...] = ()
    modules: tuple[str, ...] = ()
    task_types: tuple[str, ...] = ()


def find_sources(
    folder: pathlib.Path, include: Sequence[str], root: pathlib.Path | None = None
) -> Sources:
    """What `include` names.

    Args:
        folder: That of the deployment script, which `include` is relative to.
        include: Packages, as folder or dotted name, and Python files, all under `root`.
        root: Folder that modules are imported from, looked into as well; `folder` by default.

    Raises:
        InvalidRequestError: an entry does not exist, lies elsewhere, can't be a module's name, or
            none of them registers a connector.
    """
    root = (root or folder).resolve()
    found: dict[pathlib.PurePosixPath, None] = {}
    modules: dict[str, None] = {}
    task_types: dict[str, None] = {}
    for entry in include:
        path = _locate(folder, root, entry)
        for file in _files(path):
            relative = pathlib.PurePosixPath(file.relative_to(root).as_posix())
            found[relative] = None
            if file.suffix != ".py":
                continue
            tree = _parse(file, entry)
            if _registers(tree):
                modules[_module_name(relative, entry)] = None
                task_types.update(dict.fromkeys(_task_types(tree)))
    if include and not modules:
        message = (
            f"{', '.join(include)} registers no connector: call ConnectorRegistry.register in it"
        )
        raise InvalidRequestError(message, field="include")
    return Sources(root, tuple(sorted(found)), tuple(sorted(modules)), tuple(sorted(task_types)))


def _locate(folder: pathlib.Path, root: pathlib.Path, entry: str) -> pathlib.Path:
    names = [entry]
    if "/" not in entry and not entry.endswith(".py"):
        names += [entry.replace(".", "/"), entry.replace(".", "/") + ".py"]
    places = (where / name for where in dict.fromkeys((folder, root)) for name in names)
    path = next((place.resolve() for place in places if place.exists()), None)
    if path is None:
        message = f"{entry!r} does not exist in {folder}"
        raise InvalidRequestError(message, field="include")
    if root not in path.parents:
        message = f"{entry!r} lies outside of {root}: move it there, or set root_dir further up"
        raise InvalidRequestError(message, field="include")
    return path


def _files(path: pathlib.Path) -> Iterable[pathlib.Path]:
    if path.is_file():
        return [path]
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return [file for file in files if not _LEFT_OUT & set(file.relative_to(path).parts)]


def _module_name(relative: pathlib.PurePosixPath, entry: str) -> str:
    parts = relative.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    if not all(part.isidentifier() for part in name.split(".")):
        message = f"{entry!r}: {relative} can't be imported, rename it to letters, digits and _"
        raise InvalidRequestError(message, field="include")
    return name


def _parse(file: pathlib.Path, entry: str) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        message = f"{entry!r}: {file.name}{f', line {line}' if line else ''} is no Python"
        raise InvalidRequestError(message, field="include") from error


def _registers(tree: ast.Module) -> bool:
    """Whether `serve --module` would find a connector: registered, a class, or hook functions."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    if any(isinstance(call, ast.Attribute) and call.attr == "register" for call in calls):
        return True
    classes = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    bodies = (tree.body, *classes)
    return any(name == "task_type_name" for body in bodies for name, _ in _assignments(body))


def _task_types(tree: ast.Module) -> Iterator[str]:
    """String constants given to `task_type_name`, as an attribute or as an argument."""
    for node in ast.walk(tree):
        given: list[tuple[str | None, ast.expr | None]] = []
        if isinstance(node, (ast.ClassDef, ast.Module)):
            given = list(_assignments(node.body))
        elif isinstance(node, ast.Call):
            given = [(keyword.arg, keyword.value) for keyword in node.keywords]
        for name, value in given:
            if name != "task_type_name" or not isinstance(value, ast.Constant):
                continue
            if isinstance(value.value, str):
                yield value.value


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str | None, ast.expr | None]]:
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets = [target for target in statement.targets if isinstance(target, ast.Name)]
            yield from ((target.id, statement.value) for target in targets)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, statement.value
