"""The command `flyte-connectors`: one thin file per subcommand, imported when it is used.

Data goes to standard output; everything else (progress, logs, errors) to standard error. Exit codes:
0 done, 1 failed with one line that says why, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import sys
from collections.abc import Sequence

from flyte_connectors.errors import ConnectorError

COMMANDS = {
    "serve": "run the connector service",
    "list": "show the installed plugins and how they loaded",
    "run": "run a task of a file, here or on a service",
    "logs": "print the log of a job",
    "cancel": "cancel a job",
    "new": "write a package with a connector to start from",
    "check": "ask a connector service for the rules that it has to keep",
    "image": "build the image of a service",
    "deploy": "run a service in a Kubernetes cluster",
    "execute": "run a serialized task, as its container does",
}


class _Version(argparse.Action):
    """Looks the version up only when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"flyte-connectors {version('flyte-connectors')}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]  # `list` is a module here
    parser = argparse.ArgumentParser(
        prog="flyte-connectors",
        description="Connectors for Flyte: host them, run them, look at them.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=summary.capitalize() + "."
        )
        if name in words[:1]:
            gc.disable()  # what is imported now lives as long as the process:
            module = importlib.import_module(f"flyte_connectors.cli.{name}")
            gc.freeze()  # no collection has to look at it
            gc.enable()
            module.configure(subparser)
            subparser.set_defaults(run=module.run)
    try:
        options = parser.parse_args(words)
        code: int = options.run(options)
    except ConnectorError as error:
        print(f"flyte-connectors: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("flyte-connectors: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return code
