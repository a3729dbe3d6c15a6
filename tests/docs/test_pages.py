"""Each page, followed exactly in an empty folder, with the packages installed here."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path

import pytest
from flyte_connectors.cli import known_commands

from tests.docs.markdown import DOCS, PAGES, ROOT, blocks, code_spans, links, prose
from tests.docs.reader import Reader

COMMANDS = known_commands()


def name_of(page: Path) -> str:
    """Its path in the repository."""
    return str(page.relative_to(ROOT))


OWN_TEST = "write-a-connector.md"  # needs the package that it writes: test_write_a_connector.py
EXAMPLES = ROOT / "examples"  # their pages need the files beside them: test_examples.py
WITH_CODE = [
    page
    for page in PAGES
    if page.name != OWN_TEST and not page.is_relative_to(EXAMPLES) and any(block.is_tested for block in blocks(page))
]


@pytest.mark.long
@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_what_a_page_shows_works_as_written(page: Path, tmp_path: Path) -> None:
    """Commands succeed and answer what is shown, files and snippets run, one after the other."""
    Reader(tmp_path).follow_page(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_all_code_stands_in_fences(page: Path) -> None:
    """An indented block would escape the test above."""
    assert not re.findall(r"\n\n(?: {4,}|\t)(\S.*)", prose(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Files and headings of this repository that are linked to exist."""
    for link in links(page):
        if not re.match(r"https?:", link):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), f"{page}: {link}"
            assert not anchor or anchor in anchors(target), f"{page}: {link}"


@pytest.mark.parametrize("page", [page for page in PAGES if "<!-- tested by " in page.read_text()], ids=name_of)
def test_what_is_tested_elsewhere_names_the_test(page: Path) -> None:
    """A file that names the page."""
    for test in {block.tested_by for block in blocks(page)} - {""}:
        text = (ROOT / test).read_text()
        assert page.name in text or page.parent.name in text, f"{page}: {test}"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=name_of)
def test_a_page_says_first_what_it_is_for(page: Path) -> None:
    """In a sentence below its title."""
    title, empty, first, *_ = page.read_text().splitlines()
    assert title.startswith("# ")
    assert not empty
    assert re.match(r"[A-Z`[].{40}", first), first


def test_sessions_in_the_pages_exist() -> None:
    """`nox -s NAME` names a session, whatever its parameters are."""
    text = "\n".join(page.read_text() for page in (*PAGES, *ROOT.glob("*.md")))
    known = set(re.findall(r"^@nox\.session.*?^def (\w+)", sources(), re.MULTILINE | re.DOTALL))
    named = set(re.findall(r"nox -s \"?(\w+)", text))
    assert {"demo", "bench"} <= named <= known


def sources() -> str:
    """The modules of the sessions."""
    return "\n".join(file.read_text() for file in (ROOT / "sessions").glob("*.py"))


def anchors(page: Path) -> set[str]:
    """Names of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_the_text_exist(page: Path) -> None:
    """`flyte-connectors COMMAND --flag` names a command, and flags that it has."""
    for span in code_spans(page):
        words = span.split()
        if words[:1] == ["flyte-connectors"] and words[1:]:
            assert words[1] in {*COMMANDS, "--version"}, f"{page}: {span}"
            for flag in re.findall(r"--[a-z-]+", span):
                assert flag in flags_of(words[1]), f"{page}: {span}"


def flags_of(command: str) -> set[str]:
    """The flags of a command."""
    if command not in COMMANDS:
        return {command}
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[command].module).configure(parser)
    return {flag for action in parser._actions for flag in action.option_strings}
