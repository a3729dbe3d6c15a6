"""The module and the name by which a job imports a function, or why it could not, and what it would miss."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, NoReturn

from flyte_connectors.errors import InvalidRequestError


class Location(NamedTuple):
    """Where a function is defined.

    Attributes:
        module: Dotted name of its module.
        name: Its qualified name in the module.
    """

    module: str
    name: str


def locate(task: str, function: Callable[..., Any]) -> Location:
    """Where a job finds a function.

    Args:
        task: Name of its task, for messages.
        function: The function, without its task around it.

    Raises:
        InvalidRequestError: a job could not import it; the error says what to change.
    """
    name, module = function.__qualname__, function.__module__
    if "<lambda>" in name:
        _refuse(task, "a lambda has no name to import it by: write a function with def")
    if "<locals>" in name:
        inner, outer = function.__name__, name.partition(".<locals>")[0]
        _refuse(task, f"{inner} is defined inside of {outer}: move it to the top of its module")
    if module == "__main__":
        _refuse_main(task, function)
    try:
        found = resolve(sys.modules[module], name)
    except (KeyError, AttributeError):
        _refuse(task, f"there is no {name} in module {module}: give the function its own name")
    if body_of(found) is not function:
        _refuse(task, f"{name} in module {module} is another object: give each function a name")
    return Location(module, name)


def resolve(module: object, name: str) -> Any:
    """The object of a qualified name. Raises AttributeError."""
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def missing(modules: Iterable[str]) -> list[str]:
    """Those of these top-level modules that this interpreter does not find; none is imported."""
    return [name for name in modules if not _is_there(name)]


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # of a loaded module without a specification
        return True


def body_of(found: Any) -> Any:
    """The function of a task; anything else as it is."""
    return getattr(found, "function", found)


def _refuse_main(task: str, function: Callable[..., Any]) -> NoReturn:
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None:
        where = "a notebook or an interactive session" if hasattr(main, "In") else "no file"
        _refuse(task, f"it is defined in {where}: write it to a module, and import that")
    command = f"flyte-connectors run {file} {function.__name__}"
    text = f"it is defined in the program itself: import it from a module, or use `{command}`"
    _refuse(task, text)


def _refuse(task: str, message: str) -> NoReturn:
    text = f"the function of task '{task}' can't run as a job: {message}"
    raise InvalidRequestError(text)
