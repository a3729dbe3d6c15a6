"""docs/cli.md lists the commands and their flags, all of them and nothing else."""

from __future__ import annotations

import argparse
import importlib
import re

import pytest
from flyte_connectors._registry.installed import Selection
from flyte_connectors.cli import known_commands
from flyte_connectors.service.plugin_settings import installed_settings
from flyte_connectors.service.settings import FIELDS, flag_of
from flyte_connectors.settings import declared

from tests.docs.markdown import DOCS, sections

COMMANDS = known_commands()
SECTIONS = sections(DOCS / "cli.md")


def test_commands_are_those_of_the_command_line() -> None:
    """In the order of `flyte-connectors --help`; what plugins bring comes last."""
    assert list(SECTIONS) == [*COMMANDS, "Commands of the plugins"]


def settings_of_serve() -> set[str]:
    """The flags of its settings, which have pages of their own."""
    of_plugins = installed_settings(Selection()).values()
    options = {one.metadata["option"] for each in of_plugins for one in declared(each)}
    return {flag_of(name) for name in FIELDS} | options


@pytest.mark.parametrize("command", COMMANDS)
def test_a_commands_flags_are_listed(command: str) -> None:
    """Flags and arguments; those of `serve` without its settings."""
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(COMMANDS[command].module).configure(parser)
    settings = settings_of_serve() if command == "serve" else set()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):  # told in the text
            for name, below in action.choices.items():
                flags = {f for a in below._actions for f in a.option_strings if f.startswith("--")}
                told = set(re.findall(r"--[a-z-]+", SECTIONS[command])) | {"--help"}
                assert flags <= told, f"{command} {name}"
    names = {
        ", ".join(f"`{flag}`" for flag in action.option_strings) or f"`{action.metavar}`" for action in parser._actions
    }
    listed = re.findall(r"^\| (`.+?`) \|", SECTIONS[command], re.MULTILINE)
    assert sorted(listed) == sorted(names - {f"`{flag}`" for flag in settings})
