"""Commands that plugins add; their modules are imported when a command is used."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import NamedTuple

EXTRAS = {
    "image": "deploy",
    "deploy": "deploy",
    "console": "console",
    "doctor": "doctor",
    "execute": "official",
}
"""Commands of this project's own plugins, and the extra of `flyte-connectors` that brings each."""


class Command(NamedTuple):
    """A command of the command line.

    Attributes:
        help: One line for the list of commands.
        module: Dotted name of a module with `configure(parser)` and `run(options)`.
    """

    help: str
    module: str


class AddedCommands:
    """What `hookspecs.register_commands` adds to.

    Args:
        taken: Names that no plugin may take.
    """

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = taken
        self.added: dict[str, Command] = {}

    def add(self, name: str, *, help: str, module: str) -> None:  # noqa: A002  (as argparse calls it)
        """See `hookspecs.Commands`."""
        if name in self._taken or name in self.added:
            text = f"command '{name}' of {module} is left out: the name is taken"
            print(f"flyte-connectors: {text}", file=sys.stderr)
            return
        self.added[name] = Command(help, module)


def plugin_commands(taken: Collection[str]) -> dict[str, Command]:
    """The commands of the installed plugins that are allowed, by name."""
    from flyte_connectors._registry.installed import Selection
    from flyte_connectors._registry.plugin_hooks import call_hook, installed_hooks

    commands = AddedCommands(taken)
    for register_commands in installed_hooks("register_commands", Selection.of()):
        call_hook(register_commands, commands=commands)
    return commands.added
