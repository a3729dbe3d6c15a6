"""Each row of a feature table names tests that pytest collects, or is a decision that the page explains."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, ROOT, tables

PAGES = [page for page in (DOCS / "plugins").glob("*.md") if "| test |" in page.read_text()]
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
OURS = ("flyte-connectors", "reference service")
_TEST = re.compile(r"`?(test_\w+)`?")


def collected(scope: ast.Module | ast.ClassDef) -> Iterator[tuple[str, bool]]:
    """What pytest collects: functions and methods of classes by their names, and whether they run as a matter of course."""
    defined = [node for node in scope.body if isinstance(node, DEFINITIONS)]
    for node in {node.name: node for node in defined}.values():  # a later one hides an earlier one
        if isinstance(node, ast.ClassDef):
            if node.name.startswith("Test"):
                yield from collected(node)
        else:
            marks = {ast.unparse(mark).partition("(")[0] for mark in node.decorator_list}
            if node.name.startswith("test_") and "pytest.fixture" not in marks:
                yield node.name, marks.isdisjoint({"pytest.mark.live", "pytest.mark.skip"})


@pytest.fixture(scope="module")
def tests_of_plugins() -> dict[str, bool]:
    """Whether a test runs where it need not be paid for, by name."""
    files = ROOT.glob("plugins/*/tests/**/test_*.py")
    found: dict[str, bool] = {}
    for file in files:
        for name, runs in collected(ast.parse(file.read_text())):
            found[name] = found.get(name, False) or runs
    return found


def rows_of(page: Path) -> list[dict[str, str]]:
    """The rows of the tables that have a column for tests."""
    return [row for table in tables(page.read_text()) for row in table if "test" in row]


def test_both_pages_are_looked_at() -> None:
    """A page whose table lost its column would not be."""
    assert {"bigquery", "model-training"} <= {page.stem for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_row_is_held_by_a_test(page: Path, tests_of_plugins: dict[str, bool]) -> None:
    """One at least that runs on this machine; a row without any says that it is a decision."""
    rows = rows_of(page)
    assert len(rows) > 10
    for row in rows:
        named = _TEST.findall(row["test"])
        assert set(named) <= tests_of_plugins.keys(), row
        assert named or row["test"].startswith("decision"), row
        assert not named or any(tests_of_plugins[name] for name in named), row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_we_do_not_have_is_a_decision(page: Path) -> None:
    """And no other row is one: a no has its reason, in the row or in a note of the page."""
    for row in rows_of(page):
        (ours,) = (cell for column, cell in row.items() if column.startswith(OURS))
        is_decision = row["test"].startswith("decision")
        if re.match(r"no\b", ours):
            assert is_decision, row
        for note in re.findall(r"\((\w)\)", ours):
            assert f"\n({note}) " in page.read_text(), row
        if is_decision:
            assert re.search(r"\(\w\)|: \w", row["test"]), row
