"""What the kit says to authors who use it in another way than it is meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kit_suite import Suite

UNFILLED = """
from flyte_connectors.testing import ConnectorConformance

class TestUnfilled(ConnectorConformance):
    pass
"""


def test_a_standard_test_can_not_be_replaced() -> None:
    """Not even by nothing."""
    with pytest.raises(TypeError, match="Cheat replaces standard tests: test_do_answers"):
        type("Cheat", (Suite,), {"test_do_answers": None})


@pytest.mark.parametrize("skips", [{"test_do_answers": " "}, {"test_do_anwsers": "a reason"}])
def test_a_skip_names_a_test_and_a_reason(skips: dict[str, str]) -> None:
    """A silent skip is a rule that nobody keeps."""
    with pytest.raises(TypeError, match="give a standard test and the reason"):
        type("Careless", (Suite,), {"skips": skips})


def test_a_missing_fixture_is_a_failure_and_the_summary_says_so(tmp_path: Path) -> None:
    """A kit that skips what it was not given passes empty connectors."""
    (tmp_path / "test_it.py").write_text(UNFILLED)
    plugin = "flyte_connectors.testing.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "replay"]
    if plugin not in _entry_points():
        command += ["-p", plugin]
    ended = subprocess.run(
        [*command, "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "needs the fixture 'connector': return the connector's class" in ended.stdout


def _entry_points() -> set[str]:
    from importlib.metadata import entry_points

    return {point.value for point in entry_points(group="pytest11")}
