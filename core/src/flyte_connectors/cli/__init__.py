"""The command `flyte-connectors`: one thin file per subcommand, imported when it is used.

Data goes to standard output; everything else (progress, logs, errors) to standard error. Exit codes:
0 done, 1 failed with one line that says why, 2 wrong usage, 130 interrupted, 141 output no longer read.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from collections.abc import Sequence

from flyte_connectors._calls.suggestions import did_you_mean
from flyte_connectors.cli.plugin_commands import EXTRAS, Command, plugin_commands
from flyte_connectors.cli.streams import exit_code_of
from flyte_connectors.cli.suggestions import SuggestingParser

COMMANDS = {
    "serve": "run the connector service",
    "list": "show the installed plugins and their load status",
    "run": "run a task of a file, locally or on a service",
    "runs": "list the runs that were started here",
    "logs": "print the log of a run's jobs",
    "cancel": "cancel the jobs of a run",
    "new": "create a package for a new connector",
    "check": "test whether a connector service conforms to Flyte's protocol",
}


def known_commands(given: Sequence[str] = ()) -> dict[str, Command]:
    """The core's commands, and those of plugins unless what is given needs none of these."""
    commands = {name: Command(text, f"flyte_connectors.cli.{name}") for name, text in COMMANDS.items()}
    if given and given[0] in {*commands, "--version"}:
        return commands
    return {**commands, **plugin_commands(commands)}


class _Version(argparse.Action):
    """Looks up the version only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"flyte-connectors {version('flyte-connectors')}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]  # `list` is a module here
    return exit_code_of(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    parser = SuggestingParser(
        prog="flyte-connectors",
        description="Connectors for Flyte: host them, run their tasks, inspect their jobs.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands = known_commands(words[:1])
    for name, entry in commands.items():
        text = entry.help
        subparser = subparsers.add_parser(name, help=text, description=text.capitalize() + ".")
        if name in words[:1]:
            gc.disable()  # what is imported now lives as long as the process:
            module = importlib.import_module(entry.module)
            gc.freeze()  # no collection has to look at it
            gc.enable()
            module.configure(subparser)
            subparser.set_defaults(run=module.run)
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(2, "\nflyte-connectors: error: a COMMAND is required\n")
    command = words[0]
    if command not in commands and not command.startswith("-"):
        extra = EXTRAS.get(command)
        if extra is not None:
            parser.error(f'{command} needs a plugin: pip install "flyte-connectors[{extra}]"')
        parser.error(f"unknown command '{command}'{did_you_mean(command, commands)}")
    options = parser.parse_args(words)
    code: int = options.run(options)
    return code
