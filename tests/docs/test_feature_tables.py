"""Each row of a feature table names tests that there are, or a decision."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, ROOT

PAGES = [page for page in (DOCS / "plugins").glob("*.md") if "| test |" in page.read_text()]
_TEST = re.compile(r"`(test_\w+)`")


def defined_tests() -> set[str]:
    """The names of all tests of plugins."""
    files = ROOT.glob("plugins/*/tests/**/test_*.py")
    return {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_row_is_held_by_a_test(page: Path) -> None:
    """A row without one says that it is a decision."""
    known = defined_tests()
    tables = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    rows = [line for line in tables if not line.startswith("| |") and "---" not in line]
    assert len(rows) > 10
    for row in rows:
        named = _TEST.findall(row)
        assert named or "decision" in row, row
        assert set(named) <= known, row
