"""The examples run as their pages say, and are what the documentation shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, ROOT, blocks
from tests.docs.reader import Reader

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/README.md"))


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_runs_as_its_page_says(folder: Path, tmp_path: Path) -> None:
    """On this machine; Slurm and Kubernetes run the same in the tests of batch jobs."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    Reader(tmp_path).follow_page(tmp_path / "README.md")


FUNCTIONS = sorted((ROOT / "examples").glob("function_*/*.py"))


@pytest.mark.parametrize("file", FUNCTIONS, ids=lambda file: file.name)
def test_the_documentation_shows_an_example_as_it_is(file: Path) -> None:
    """Word for word."""
    shown = f"# {file.name}\n{file.read_text()}"
    pages = (DOCS / "index.md", DOCS / "functions.md")
    assert shown in [block.code for page in pages for block in blocks(page)]


def test_the_first_page_shows_the_first_example_first() -> None:
    """Where newcomers see it without scrolling."""
    first = blocks(DOCS / "index.md")[0]
    assert first.code.startswith("# words.py\n")
    assert first.line < 10
