"""Finds out what modules register when they are imported, in a separate process.

    python -m flyte_connectors_deploy.registered ROOT MODULE ...

prints a JSON object by module: `{"connectors": [[name, task type, shared directory variable], ...], "hooks":
[...]}`, or `{"error": text, "kind": class}` for one that can't be imported or registered here.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_deploy.commands import CommandError

_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Served:
    """A connector that a service will have.

    Attributes:
        name: Its name for people.
        task_type: Its task type.
        directory_variable: See `AsyncConnector.shared_directory_variable`.
    """

    name: str
    task_type: str
    directory_variable: str = ""

    @classmethod
    def of(cls, bound: Any) -> Served:
        """What is known of a connector that is registered in this process."""
        variable = getattr(bound.plugin, "shared_directory_variable", "")
        return cls(bound.name, bound.category.name, variable)


@dataclasses.dataclass(frozen=True)
class Registered:
    """What a module registers.

    Attributes:
        connectors: Its connectors that no module before it has registered.
        hooks: Its other hooks.
        error: Why it can't be imported here, in one line.
        kind: The class of that exception.
    """

    connectors: tuple[Served, ...] = ()
    hooks: tuple[str, ...] = ()
    error: str = ""
    kind: str = ""


def registered_by(root: pathlib.Path, modules: Sequence[str]) -> Mapping[str, Registered]:
    """What `modules` register, in their order.

    Args:
        root: Folder that they are imported from.
        modules: Their dotted names.

    Raises:
        CommandError: the process that imports them ends early, or takes minutes.
    """
    if not modules:
        return {}
    command = [sys.executable, "-m", __spec__.name, str(root), *modules]
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603  (this program, and names of modules)
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=_SECONDS,
            check=True, text=True, env=variables, cwd=root,
        )  # fmt: skip
        answers = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        text = f"importing {', '.join(modules)} takes longer than {_SECONDS} s"
        raise CommandError(text) from error
    except (subprocess.CalledProcessError, ValueError) as error:
        text = f"importing {', '.join(modules)} ended the process; see its output above"
        raise CommandError(text) from error
    return {
        name: Registered(
            tuple(Served(*connector) for connector in answer.get("connectors", ())),
            tuple(answer.get("hooks", ())),
            answer.get("error", ""),
            answer.get("kind", ""),
        )
        for name, answer in answers.items()
    }


def is_looking() -> bool:
    """Whether this process is the one that imports the author's modules, none of which may deploy then."""
    program = getattr(sys.modules["__main__"], "__spec__", None)
    return program is not None and program.name == __spec__.name


def _main(root: str, *modules: str) -> None:
    """Runs in the separate process; what the modules print goes to standard error."""
    answers_to = os.dup(1)
    os.dup2(2, 1)
    sys.path.insert(0, root)
    answers = {name: _look(name) for name in modules}
    with open(answers_to, "w", encoding="utf-8") as answer:  # noqa: PTH123  (a descriptor)
        json.dump(answers, answer)


def _look(name: str) -> dict[str, Any]:
    from flyte_connectors._registry.discovery import load_module
    from flyte_connectors._registry.plugin_hooks import hooks_of
    from flyte_connectors._registry.table import process_registry, registering_for
    from flyte_connectors._registry.user_modules import import_module

    registry = process_registry()
    before = set(registry)
    try:
        with registering_for(name):
            module = import_module(name)
        connectors = [bound for bound in load_module(registry, module, name) if bound not in before]
    except Exception as error:
        cause = error.__cause__ if isinstance(error, InvalidRequestError) else None
        kind = type(cause or error).__name__
        return {"error": " ".join(str(error).split()), "kind": kind}
    served = [dataclasses.astuple(Served.of(bound)) for bound in connectors]
    return {"connectors": served, "hooks": list(hooks_of(module))}


if __name__ == "__main__":
    _main(*sys.argv[1:])
