"""As much of Markdown as the documentation uses: code blocks, sections, tables, links."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_NOT_HERE = ("CONTRIBUTING.md", "seeds.md")  # about this repository; kept by tests/specification
PAGES = tuple(
    path
    for pattern in (
        "*.md",
        "core/*.md",
        "plugins/*/*.md",
        "docs/*.md",
        "docs/*/*.md",
        "examples/*/*.md",
    )
    for path in sorted(ROOT.glob(pattern))
    if path.name not in _NOT_HERE
)

_FENCE = re.compile(r"^( *)```(\w*) *$")
_NOT_TESTED = re.compile(r"^<!-- (?:not tested: \S.*|tested by (?P<test>\S+)) -->$")  # no reader sees it
_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        line: Number of the line that opens it.
        language: What the fence says; empty for a drawing or plain text.
        code: Its text.
        is_tested: Whether a reader of the page tests it; else it says right above why not, or by what.
        tested_by: The file that tests it instead, if the page names one.
    """

    line: int
    language: str
    code: str
    is_tested: bool
    tested_by: str


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in order."""
    found = []
    opened: tuple[int, str, str, bool, str] | None = None
    code: list[str] = []
    before = ""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            mark = _NOT_TESTED.match(before)
            opened = (number, fence[1], fence[2], not mark, (mark and mark["test"]) or "")
            code = []
        elif opened is not None and line == f"{opened[1]}```":
            start, indent, language, tested, elsewhere = opened
            text = "".join(f"{line.removeprefix(indent)}\n" for line in code)
            found.append(Block(start, language, text, tested, elsewhere))
            opened = None
        elif opened is not None:
            code.append(line)
        if line.strip():
            before = line
    assert opened is None, f"{page}: the block at line {opened} is never closed"
    return found


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def code_spans(page: Path) -> list[str]:
    """The pieces of code within the text."""
    return [" ".join(span.split()) for _, span in _CODE.findall(prose(page))]


def links(page: Path) -> list[str]:
    """Targets of the links."""
    return _LINK.findall(_CODE.sub("", prose(page)))


def sections(page: Path, level: int = 2) -> dict[str, str]:
    """The text below each heading of a level, by heading."""
    parts = re.split(rf"^{'#' * level} +(.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def tables(text: str) -> list[list[dict[str, str]]]:
    """The tables in a text: their rows, each a cell by the heading of its column."""
    found = []
    for lines in re.findall(r"(?:^\|.*\|$\n?)+", text, flags=re.MULTILINE):
        head, _, *rows = map(_cells, lines.splitlines())
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def plain(cell: str) -> str:
    """A cell that is all code, without its backticks."""
    return cell[1:-1] if re.fullmatch("`[^`]+`", cell) else cell


def _cells(line: str) -> tuple[str, ...]:
    return tuple(plain(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1])
