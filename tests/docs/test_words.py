"""What people read uses the field's terms: `words.txt` lists others, and what to write instead."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT

RULES = [
    (re.compile(pattern, re.IGNORECASE), better)
    for pattern, _, better in (
        line.partition(" -> ")
        for line in (Path(__file__).parent / "words.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
]
PAGES = sorted(
    path
    for pattern in ("*.md", "core/*.md", "plugins/*/*.md", "docs/*.md", "docs/*/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
MODULES = sorted(
    path
    for pattern in ("core/src/**/*.py", "plugins/*/src/**/*.py", "docs/demo/*.py", "noxfile.py", "sessions/*.py")
    for path in ROOT.glob(pattern)
)


def found_in(text: str) -> list[str]:
    """Each listed word in a text, with what to write instead."""
    text = " ".join(text.split())
    return [
        f"{found[0]!r} in {text[max(0, found.start() - 40) : found.end() + 40]!r}: write {better}"
        for pattern, better in RULES
        for found in pattern.finditer(text)
    ]


def name_of(path: Path) -> str:
    """The path in the repository."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_use_the_terms_of_the_field(page: Path) -> None:
    """In their text; code blocks are checked where the code comes from."""
    text = re.sub(r"^ *```.*?^ *```|<!--.*?-->", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert not found_in(text)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_docstrings_and_messages_use_the_terms_of_the_field(module: Path) -> None:
    """In every string with a space in it."""
    strings = [
        node.value
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    ]
    assert not [words for text in strings for words in found_in(text)]


def test_a_listed_word_is_found() -> None:
    """Across the end of a line, too; what only resembles it is not."""
    assert found_in("how to mend it") == ["'mend' in 'how to mend it': write fix"]
    assert found_in("a thread of its\nown")
    assert not found_in("Amendments and recommended doorways; there is no file")
