"""`include`: which files are copied into the image, which modules are served, and their task types.

A module is served if importing it registers something. Where it can't be imported here, because what it needs
is installed in the image only, its source is read instead.
"""

from __future__ import annotations

import ast
import dataclasses
import pathlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_deploy.registered import Registered, Served, registered_by

_FAULTS = frozenset(
    {
        "AttributeError",
        "DuplicateTaskTypeError",
        "ImportError",
        "NameError",
        "RegistrationError",
        "SyntaxError",
        "TypeError",
    }
)
"""Exceptions that a module raises wherever it is imported; others may be for want of what the image has."""

_OF_REGISTRATIONS = frozenset({"register", "task_type_name", "hookimpl"})
"""Names without one of which a module registers nothing, so that it is not imported to find out."""

_OF_DEPLOYMENTS = frozenset({"ConnectorEnvironment", "ImageBuildEngine", "flyte_connectors_deploy"})
"""Names that say that a module uses this package."""

_LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache"})


@dataclasses.dataclass(frozen=True)
class Sources:
    """The author's files.

    Attributes:
        root: Folder that their names are relative to.
        files: Names of all files, sorted.
        modules: Dotted names of the modules that register connectors or hooks.
        describe_deployments: Whether one uses this package, and the image has to have it.
        connectors: What those serve; where they can't be imported here, as far as it is written out.
    """

    root: pathlib.Path
    files: tuple[pathlib.PurePosixPath, ...] = ()
    modules: tuple[str, ...] = ()
    connectors: tuple[Served, ...] = ()
    describe_deployments: bool = False

    @property
    def task_types(self) -> tuple[str, ...]:
        """The task types of `connectors`."""
        return tuple(sorted({connector.task_type for connector in self.connectors}))


def find_sources(folder: pathlib.Path, include: Sequence[str], root: pathlib.Path | None = None) -> Sources:
    """What `include` names.

    Args:
        folder: That of the deployment script, which `include` is relative to.
        include: Packages, as folder or dotted name, and Python files, all under `root`.
        root: Folder that modules are imported from, looked into as well; `folder` by default.

    Raises:
        InvalidRequestError: an entry does not exist, lies elsewhere, can't be a module's name, or
            none of them registers a connector; or importing one fails, here as it would there.
    """
    root = (root or folder).resolve()
    found: dict[pathlib.PurePosixPath, None] = {}
    candidates: dict[str, ast.Module] = {}
    describe_deployments = False
    for entry in include:
        path = _locate(folder, root, entry)
        for file in _files(path):
            relative = pathlib.PurePosixPath(file.relative_to(root).as_posix())
            found[relative] = None
            if file.suffix != ".py":
                continue
            tree = _parse(file, entry)
            names = _names(tree)
            describe_deployments |= not names.isdisjoint(_OF_DEPLOYMENTS)
            if not names.isdisjoint(_OF_REGISTRATIONS):
                candidates[_module_name(relative, entry)] = tree
    served = _served(candidates, registered_by(root, list(candidates)))
    if include and not served:
        message = f"{', '.join(include)} registers no connector: call ConnectorRegistry.register in it"
        raise InvalidRequestError(message, field="include")
    connectors = tuple(connector for several in served.values() for connector in several)
    return Sources(root, tuple(sorted(found)), tuple(sorted(served)), connectors, describe_deployments)


def _served(
    candidates: Mapping[str, ast.Module], registered: Mapping[str, Registered]
) -> dict[str, tuple[Served, ...]]:
    """The connectors of each module that registers something."""
    served = {}
    for name, tree in candidates.items():
        found = registered[name]
        if found.kind in _FAULTS:
            text = f"{name}: the service would not start: {found.error}"
            raise InvalidRequestError(text, field="include")
        if not found.error:
            if found.connectors or found.hooks:
                served[name] = found.connectors
        elif _registers(tree):
            if found.kind != "ModuleNotFoundError":
                text = f"{name} can't be imported here, so its source is read instead: {found.error}"
                print(text, file=sys.stderr)  # noqa: T201  (like the rest of the progress)
            served[name] = tuple(Served(kind, kind) for kind in _task_types(tree))
    return served


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
        message = f"{entry!r}: {file.name}{f', line {line}' if line else ''} is not valid Python"
        raise InvalidRequestError(message, field="include") from error


def _names(tree: ast.Module) -> set[str]:
    """Every name that a module uses or imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.name.rpartition(".")[2])
    return names


def _registers(tree: ast.Module) -> bool:
    """Whether a module, as written, has what `serve --module` looks for."""
    registries, hooks = {"ConnectorRegistry"}, {"hookimpl"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names = {"ConnectorRegistry": registries, "hookimpl": hooks}.get(alias.name)
                if names is not None and alias.asname:
                    names.add(alias.asname)
    for node in ast.walk(tree):
        call = node.func if isinstance(node, ast.Call) else None
        method = (call.attr, _last_name(call.value)) if isinstance(call, ast.Attribute) else ("", "")
        if method[0] == "register" and method[1] in registries:
            return True
        decorators = getattr(node, "decorator_list", ())
        if any(_last_name(decorator) in hooks for decorator in decorators):
            return True
    classes = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    bodies = (tree.body, *classes)
    return any(name == "task_type_name" for body in bodies for name, _ in _assignments(body))


def _last_name(node: ast.expr) -> str:
    """`b` of the expression `b` or `a.b`, called or not."""
    node = node.func if isinstance(node, ast.Call) else node
    return str(getattr(node, "attr", "") or getattr(node, "id", ""))


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
