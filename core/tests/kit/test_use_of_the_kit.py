"""What the kit says to authors who use it in another way than it is meant."""

from __future__ import annotations

import os
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

CARELESS = """
import pytest
from flyte_connectors.testing import ConnectorConformance
from kit_reference import MemoryService, ReferenceConnector
from kit_suite import request_for

class Plain(MemoryService):
    lose_reply = None

class TestCareless(ConnectorConformance):
    @pytest.fixture
    def service(self):
        return Plain()

    @pytest.fixture
    def connector(self, service):
        return lambda: ReferenceConnector(service)

    @pytest.fixture
    def good_request(self):
        return request_for(ReferenceConnector, rows=3)

    @pytest.fixture
    def bad_requests(self):
        return {}
"""

OWN_NAMES = """
import itertools
import pytest
from flyte_connectors.testing import ConnectorConformance
from kit_reference import MemoryService, ReferenceConnector
from kit_suite import request_for

_numbers = itertools.count()

class OwnNames(ReferenceConnector):
    # The service chooses the names of jobs: a second create is a second job.
    repeatable_create = False

    async def create(self, task_template, inputs, **kwargs):
        kwargs["idempotency_key"] = f"own-{next(_numbers)}"
        return await super().create(task_template=task_template, inputs=inputs, **kwargs)

class TestOwnNames(ConnectorConformance):
    @pytest.fixture
    def service(self):
        return MemoryService()

    @pytest.fixture
    def connector(self, service):
        return lambda: OwnNames(service)

    @pytest.fixture
    def good_request(self):
        return request_for(OwnNames, rows=3)

    @pytest.fixture
    def other_request(self):
        return request_for(OwnNames, rows=4)

    @pytest.fixture
    def bad_requests(self):
        return {"custom.rows": request_for(OwnNames, rows=0)}
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
    ended = _run(tmp_path, UNFILLED, "replay")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "needs the fixture 'connector': return the connector's class" in ended.stdout


def test_no_bad_requests_are_a_failure(tmp_path: Path) -> None:
    """Every test of them would pass."""
    ended = _run(tmp_path, CARELESS, "test_bad_requests")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "needs the fixture 'bad_requests'" in ended.stdout
    assert "passed" not in ended.stdout


def test_what_may_be_left_out_is_skipped_by_name(tmp_path: Path) -> None:
    """An optional fixture, or an ability of the service."""
    ended = _run(tmp_path, CARELESS, "no_replay or lost_reply")
    assert ended.returncode == pytest.ExitCode.OK
    assert "skipped: the fixture other_request is not given" in ended.stdout
    assert "skipped: the service of the tests is not a LosesReplies" in ended.stdout


def test_a_create_that_may_not_be_repeated_is_not(tmp_path: Path) -> None:
    """Rules that repeat it elsewhere, or after an unknown outcome, do not apply; replays do."""
    ended = _run(tmp_path, OWN_NAMES, "replay or racing or lost_reply or new_attempt")
    assert ended.returncode == pytest.ExitCode.OK, ended.stdout
    assert "skipped: its create may not be repeated" in ended.stdout


def _run(folder: Path, suite: str, chosen: str) -> subprocess.CompletedProcess[str]:
    """Run a suite as its author would."""
    (folder / "test_it.py").write_text(suite)
    plugin = "flyte_connectors.testing.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen]
    if plugin not in _entry_points():
        command += ["-p", plugin]
    return subprocess.run(
        [*command, "."],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def _entry_points() -> set[str]:
    from importlib.metadata import entry_points

    return {point.value for point in entry_points(group="pytest11")}
