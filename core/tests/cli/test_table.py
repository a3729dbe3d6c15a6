"""Plain tables."""

from __future__ import annotations

import io

import pytest
from flyte_connectors.cli.table import colour, print_table

HEADER = ("NAME", "STATUS", "REASON")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    """With two spaces between, and none at the end of a line."""
    print_table(HEADER, [("a", "loaded", ""), ("longer", "no", "x")], empty="", colours={})
    assert capsys.readouterr().out.splitlines() == [
        "NAME    STATUS  REASON",
        "a       loaded",
        "longer  no      x",
    ]


def test_an_empty_column_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing has a reason, nobody needs the heading."""
    print_table(HEADER, [("a", "loaded", "")], empty="", colours={})
    assert "REASON" not in capsys.readouterr().out


def test_no_rows_are_a_word_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs that read the table see none."""
    print_table(HEADER, [], empty="nothing is installed", colours={})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "nothing is installed\n")


def test_only_terminals_get_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only those that want them."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour("x", "red", io.StringIO()) == "x"
    assert colour("x", "red", Terminal()) == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert colour("x", "red", Terminal()) == "x"


def test_colours_do_not_shift_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells are as wide as they look."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    rows = [("a", "loaded", "x"), ("b", "failed", "y")]
    print_table(HEADER, rows, empty="", colours={"failed": "red"})
    lines = terminal.getvalue().splitlines()
    assert lines[2].replace("\x1b[31m", "").replace("\x1b[0m", "") == "b     failed  y"
    assert "\x1b[31mfailed" in lines[2]
