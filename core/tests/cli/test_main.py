"""The command line as a function."""

from __future__ import annotations

import pytest
from flyte_connectors.cli import main


def test_commands_run_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """In one process, whatever modules they have imported."""
    for _ in range(2):
        assert main(["list", "--json"]) == 0
        assert capsys.readouterr().out.startswith("[")
