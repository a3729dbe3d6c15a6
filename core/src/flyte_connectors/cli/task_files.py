"""The tasks that a file defines, and the SDK that each belongs to."""

from __future__ import annotations

import types
from typing import Any

from flyte_connectors._calls.suggestions import did_you_mean
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.template import TaskTemplate

_OFFICIAL = {"flyte": "flyte run", "flytekit": "pyflyte run"}
"""The official SDKs, and the command of each that runs its tasks."""

_OFFICIAL_BASES = {"TaskTemplate", "Task", "WorkflowBase"}
"""Base classes of what these commands run."""


def tasks_of(module: types.ModuleType) -> dict[str, TaskTemplate]:
    """The tasks of a module by the names of their variables."""
    return {key: value for key, value in vars(module).items() if isinstance(value, TaskTemplate)}


def find_task(module: types.ModuleType, file: str, name: str) -> TaskTemplate:
    """The task of a variable, or of a task's name.

    Raises:
        InvalidRequestError: there is none, or it belongs to another SDK.
    """
    tasks = tasks_of(module)
    by_name = {task.name: task for task in tasks.values()}
    found = tasks.get(name) or by_name.get(name)
    if found is not None:
        return found
    for variable, value in vars(module).items():
        sdk = _official_sdk(value)
        if sdk and name in (variable, getattr(value, "name", "")):
            command = f"{_OFFICIAL[sdk]} {file} {variable}"
            message = f"a task of {_release(sdk)}, not of flyte-connectors: run it with `{command}`"
            raise InvalidRequestError(message, field=name)
    message = f"no such task in {file}{did_you_mean(name, dict.fromkeys([*tasks, *by_name]))}"
    raise InvalidRequestError(message, field=name)


def describe_tasks(module: types.ModuleType, file: str) -> str:
    """Text for people that lists the tasks of a file, a line for each."""
    lines = [f"  {name:20}  {summary(task)}".rstrip() for name, task in sorted(tasks_of(module).items())]
    text = "\n".join([f"tasks of {file}:", *lines]) if lines else f"no tasks in {file}"
    official = {name: sdk for name, value in vars(module).items() if (sdk := _official_sdk(value))}
    for sdk in sorted(set(official.values())):
        names = ", ".join(sorted(name for name in official if official[name] == sdk))
        text += f"\ntasks of {_release(sdk)}, which `{_OFFICIAL[sdk]} {file} TASK` runs:\n  {names}"
    return text


def summary(task: TaskTemplate) -> str:
    """The first line of the documentation of a task's own function or object; empty without."""
    is_own = "function" in vars(task) or "__doc__" in vars(task)
    text = task.__doc__ if is_own else None
    return (text or "").strip().partition("\n")[0]


def _official_sdk(value: Any) -> str:
    """The official SDK whose task `value` is; empty for anything else."""
    for base in type(value).__mro__:
        package = base.__module__.partition(".")[0]
        if package in _OFFICIAL and base.__name__ in _OFFICIAL_BASES:
            return package
    return ""


def _release(sdk: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # slow

    try:
        return f"{sdk} {version(sdk)}"
    except PackageNotFoundError:  # imported from a folder
        return sdk
