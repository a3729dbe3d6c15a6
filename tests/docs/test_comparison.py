"""docs/comparison.md is about what the repository measures."""

from __future__ import annotations

import re

from tests.docs.markdown import DOCS, ROOT

PAGE = (DOCS / "comparison.md").read_text()


def test_the_rules_that_the_official_plugin_breaks_are_counted() -> None:
    """As the session `official` expects them."""
    expected = (ROOT / "tests" / "official" / "expected_failures.txt").read_text().split()
    told = re.search(r"official BigQuery plugin breaks (\d+) rules", PAGE)
    assert told is not None
    assert int(told[1]) == len(expected)


def test_the_versions_compared_are_told() -> None:
    """Of the official SDK, the release series that the sessions install."""
    (series,) = set(re.findall(r'"flyte\[connector\]==(\d+\.\d+)\.\*"', (ROOT / "sessions" / "peers.py").read_text()))
    assert set(re.findall(r"`?flyte`? (\d+\.\d+)\.\d+", PAGE)) == {series}
