"""`docs/moving.md`, followed to the letter where the official SDK is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, blocks
from tests.docs.reader import Reader

PAGE = DOCS / "moving.md"
EXPECTED = Path(__file__).with_name("expected_failures.txt")


@pytest.mark.timeout(300)  # each command imports the SDK, which takes seconds
def test_the_page_works_as_written(tmp_path: Path) -> None:
    """Every block, also those that need the SDK, but one that builds an image; `nox -s images` does."""
    one = {"FLYTE_CONNECTORS_DENY": "flytekitplugins-bigquery"}  # of the two for one task type
    reader = Reader(tmp_path, one)
    try:
        for block in blocks(PAGE):
            if "image build" not in block.code:
                reader.follow(block)
    finally:
        reader.leave()


def test_the_page_lists_the_broken_rules() -> None:
    """Those that `python -m tests.official` expects."""
    assert re.findall(r"^\| `(test_\w+)` \|", PAGE.read_text(), re.MULTILINE) == sorted(EXPECTED.read_text().split())
