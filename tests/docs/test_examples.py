"""The examples run as their pages say, and are what the documentation shows."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, ROOT, blocks
from tests.docs.reader import Reader, install

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/README.md"))


@pytest.mark.long
@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_runs_as_its_page_says(folder: Path, tmp_path: Path) -> None:
    """On this machine; Slurm and Kubernetes run the same in the tests of batch jobs."""
    place = shutil.copytree(folder, tmp_path / folder.name)
    environment = {}
    if (place / "pyproject.toml").exists():
        installed = install(place, tmp_path / "installed")
        with socket.create_server(("127.0.0.1", 0)) as free:
            environment = {
                "PYTHONPATH": f"{installed}:{place / 'src'}",
                "FLYTE_RENDER_ENDPOINT": f"http://127.0.0.1:{free.getsockname()[1]}",
            }
    Reader(place, environment).follow_page(place / "README.md")


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
