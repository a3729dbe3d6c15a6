"""The core stays thin: what is in its wheel, and how much of it a process loads."""

from __future__ import annotations

import ast
import importlib.metadata
import pathlib
import subprocess
import sys
import tokenize

import flyte_connectors
import pytest

ROOT = pathlib.Path(flyte_connectors.__file__).parent
FILES = sorted(set(ROOT.rglob("*.py")) - set((ROOT / "template").rglob("*.py")))

LARGEST_WHEEL = 12_000
"""Lines of code, without what authors of connectors use in development. Neither here nor below are docstrings, comments and
empty lines counted: what explains the code does not have to be thin."""

LARGEST_START = 6_000
"""Lines of code that a command may import."""


def lines_of_code(file: pathlib.Path) -> int:
    """The lines that hold code."""
    docstrings = {
        number
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    layout = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENCODING, tokenize.ENDMARKER,
    }  # fmt: skip
    with file.open("rb") as source:
        tokens = [token for token in tokenize.tokenize(source.readline) if token.type not in layout]
    lines = {n for token in tokens for n in range(token.start[0], token.end[0] + 1)}
    return len(lines - docstrings)


def test_the_wheel_is_thin() -> None:
    """What most users do not need is in a plugin."""
    kit = ROOT / "testing"
    assert sum(lines_of_code(file) for file in FILES if kit not in file.parents) < LARGEST_WHEEL


@pytest.mark.parametrize("command", ["serve", "run"])
def test_a_command_loads_no_more_than_it_needs(command: str) -> None:
    """What is only for some calls is imported by those."""
    code = (
        f"import flyte_connectors.cli, flyte_connectors.cli.{command}, sys\n"
        "for name, module in sys.modules.items():\n"
        "    if name.partition('.')[0] == 'flyte_connectors': print(module.__file__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = sum(lines_of_code(pathlib.Path(file)) for file in done.stdout.splitlines())
    assert 1_000 < loaded < LARGEST_START


def test_the_core_is_no_plugin() -> None:
    """Everything optional comes by its own distribution, as everybody's plugins do."""
    points = importlib.metadata.distribution("flyte-connectors").entry_points
    assert not [point for point in points if point.group == "flyte.connectors"]
