"""docs/conformance.md has a row for every standard test, and for nothing else."""

from __future__ import annotations

import inspect
import re

from flyte_connectors.testing import ConnectorConformance, service
from flyte_connectors.testing.rule import standard_tests

from tests.docs.markdown import DOCS

TEXT = (DOCS / "conformance.md").read_text()
ROWS = dict(re.findall(r"^\| `(test_\w+)` \| (\w+) \|", TEXT, re.MULTILINE))


def test_every_standard_test_has_a_row() -> None:
    """Whoever fails a test finds its reason and how to fix it."""
    assert set(ROWS) == set(standard_tests(ConnectorConformance))


def test_rows_tell_how_often_a_test_runs() -> None:
    """Those that take a `driver` run at both levels."""
    both = {
        name
        for name, test in standard_tests(ConnectorConformance).items()
        if "driver" in inspect.signature(test).parameters
    }
    assert {name for name, runs in ROWS.items() if runs == "both"} == both


def test_all_that_can_be_given_is_listed() -> None:
    """Otherwise its tests are always skipped."""
    abilities = {
        name
        for name, kind in vars(service).items()
        if getattr(kind, "_is_runtime_protocol", False) and kind.__module__ == service.__name__
    }
    fixtures = {test.rule_fixture for test in standard_tests(ConnectorConformance).values()} - {None}
    listed = set(re.findall(r"`(\w+)`", TEXT.partition("Optional fixtures")[2].partition("##")[0]))
    assert abilities | fixtures <= listed
