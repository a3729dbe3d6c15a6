"""docs/write-a-connector.md, followed after installing the package that it generates."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from flyte_connectors.cli import main

from tests.docs.markdown import DOCS, Block
from tests.docs.reader import Reader, install

PAGE = DOCS / "write-a-connector.md"
NAME = "flyte-connectors-acme"


class Author(Reader):
    """A reader who can go into folders, and to whom the page shows files that are there.

    Args:
        folder: The working directory, empty.
        installed: Folder with what `pip install -e` would write about the package.
    """

    def __init__(self, folder: Path, installed: Path) -> None:
        super().__init__(folder)
        self._environment["PYTHONPATH"] = f"{installed}:{folder / NAME / 'src'}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._environment["FLYTE_ACME_ENDPOINT"] = f"http://127.0.0.1:{free.getsockname()[1]}"

    def follow(self, block: Block) -> None:
        """Do what a block says; code of a file that is there has to be that file's code."""
        name, _, code = block.code.removeprefix("# ").partition("\n")
        if block.language == "python" and (self._folder / name).is_file():
            assert code in (self._folder / name).read_text(), f"{name} has no such code"
        else:
            super().follow(block)

    def _type(self, command: str, answer: str) -> None:
        if command.startswith("cd "):
            self._folder /= command.removeprefix("cd ")
        else:
            super()._type(command, answer)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The package that the page generates, as if it were installed."""
    package = tmp_path / "written-before" / NAME
    package.parent.mkdir()
    assert main(["new", str(package), "--no-input"]) == 0
    return install(package, tmp_path / "installed")


@pytest.mark.long
def test_the_tutorial_works_as_written(tmp_path: Path, installed: Path) -> None:
    """Commands answer what is shown, and the code that is shown is the template's."""
    folder = tmp_path / "author"
    folder.mkdir()
    Author(folder, installed).follow_page(PAGE)
