"""`docs/seeds.md` says of every block what was changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.specification.changes import CHANGES, table
from tests.specification.pages import BLOCKS

PAGES = sorted(folder.name for folder in BLOCKS.iterdir() if folder.is_dir())
DOCUMENT = Path(__file__).parents[2] / "docs" / "seeds.md"


@pytest.mark.parametrize("page", PAGES)
def test_the_document_has_a_row_for_every_change(page: str) -> None:
    """Word for word as the blocks are changed before they run."""
    blocks = sorted(path.stem for path in (BLOCKS / page).glob("*.py"))
    assert table(page, blocks) in DOCUMENT.read_text()


def test_every_change_belongs_to_a_block() -> None:
    """None is left over from a block that is gone."""
    assert [path for path in CHANGES if not (BLOCKS / f"{path}.py").is_file()] == []
