"""docs/conformance.md has a row for every standard test, and for nothing else."""

from __future__ import annotations

import inspect
import re

from flyte_connectors.testing import ConnectorConformance
from flyte_connectors.testing.rule import standard_tests

from tests.docs.markdown import DOCS

ROWS = dict(
    re.findall(r"^\| `(test_\w+)` \| (\w+) \|", (DOCS / "conformance.md").read_text(), re.MULTILINE)
)


def test_every_standard_test_has_a_row() -> None:
    """Whoever fails a test finds its reason and how to mend it."""
    assert set(ROWS) == set(standard_tests(ConnectorConformance))


def test_rows_tell_how_often_a_test_runs() -> None:
    """Those that take a `driver` run at both levels."""
    both = {
        name
        for name, test in standard_tests(ConnectorConformance).items()
        if "driver" in inspect.signature(test).parameters
    }
    assert {name for name, runs in ROWS.items() if runs == "both"} == both
