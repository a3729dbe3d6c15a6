"""`flyte run` and `flyte deploy`, as `flyte-connectors run` and `flyte-connectors deploy`."""

from __future__ import annotations

import sys

from flyte_connectors import cli

_OF_THE_SDK = "--local"
"""What the SDK's `run` needs for a run in this process, which is the default here."""


def main() -> int:
    """Run the command; returns the exit code."""
    words = sys.argv[1:]
    if words[:2] == ["run", _OF_THE_SDK]:
        del words[1]
    return cli.main(words)
