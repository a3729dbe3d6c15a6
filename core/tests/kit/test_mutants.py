"""The kit's own proof: each mutant breaks one rule, and exactly that rule's test catches it."""

from __future__ import annotations

import collections
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from flyte_connectors.testing import ConnectorConformance
from flyte_connectors.testing.rule import standard_tests
from mutants import MUTANTS

pytestmark = pytest.mark.once

SUITE = Path(__file__).parent / "conformance_of_mutants.py"


def failures(report: Path, *options: str) -> dict[str, set[str]]:
    """The tests that each mutant fails, by the test that has to catch it.

    The suite is run on the dispatcher only: what is above it does not know one connector from another.
    """
    quiet = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", *quiet, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    failed = collections.defaultdict(set)
    for case in ElementTree.parse(report).iter("testcase"):
        mutant = case.attrib["classname"].rpartition(".Test_")[2]
        if case.find("failure") is not None:
            failed[mutant].add(case.attrib["name"].partition("[")[0])
    return failed


@pytest.mark.timeout(300)
def test_every_mutant_is_caught(tmp_path: Path) -> None:
    """By the test of the rule that it breaks; a test that no mutant fails is hollow."""
    own_tests = [f"{SUITE}::Test_{test}::{test}" for test in MUTANTS]
    caught = failures(tmp_path / "report.xml", "-k", "not wire", *own_tests)
    assert caught == {test: {test} for test in MUTANTS}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_mutant_fails_no_other_test(tmp_path: Path) -> None:
    """A test that fails for the fault of another rule would send people to the wrong place."""
    failed = failures(tmp_path / "report.xml", "-k", "not wire", str(SUITE))
    assert failed == {test: {test} for test in MUTANTS}


def test_every_conformance_test_has_a_mutant() -> None:
    """A test that no mutant fails may be one that can't fail."""
    assert set(MUTANTS) == set(standard_tests(ConnectorConformance))
