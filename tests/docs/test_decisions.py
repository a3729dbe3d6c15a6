"""Decisions are short, of one shape, numbered without gaps, and listed."""

from __future__ import annotations

import re

from tests.docs.markdown import DOCS, links, sections

FOLDER = DOCS / "decisions"
DECISIONS = sorted(FOLDER.glob("0*.md"))


def test_decisions_are_numbered_and_listed() -> None:
    """By file name, heading and list alike."""
    numbers = [path.name[:4] for path in DECISIONS]
    assert numbers == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    assert [path.read_text()[:7] for path in DECISIONS] == [f"# {number}." for number in numbers]
    assert links(FOLDER / "README.md") == [path.name for path in DECISIONS]


def test_decisions_have_one_shape() -> None:
    """Context, decision, consequences, in at most 30 lines; files that they name exist."""
    sources = [
        f"/{path.relative_to(DOCS.parent)}"
        for pattern in ("core/src/**/*.py", "plugins/*/src/**/*.py", "tests/**/*.py")
        for path in DOCS.parent.glob(pattern)
    ]
    for path in DECISIONS:
        assert list(sections(path)) == ["Context", "Decision", "Consequences"]
        assert len(path.read_text().splitlines()) <= 30
        for name in re.findall(r"`([\w/]+\.py)`", path.read_text()):
            assert any(source.endswith(f"/{name}") for source in sources), f"{path.name}: {name}"
