"""From a document's blocks to a module that runs."""

from __future__ import annotations

import sys
import types
from pathlib import Path

from tests.specification.changes import CHANGES

BLOCKS = Path(__file__).parent / "blocks"


def source(page: str, *blocks: str, **places: str) -> str:
    """The code of some blocks of a page, with its changes.

    Args:
        page: Name of the document's folder.
        blocks: Names of its blocks, in the order in which a reader would paste them.
        places: What to put in for `<name>` in changed lines.
    """
    return "\n\n".join(_changed(f"{page}/{block}", places) for block in blocks)


def module(name: str, page: str, *blocks: str, **places: str) -> types.ModuleType:
    """A module of some blocks; it stays in `sys.modules`, where dataclasses look for it."""
    made = sys.modules[name] = types.ModuleType(name)
    code = compile(source(page, *blocks, **places), f"{page}/{'+'.join(blocks)}", "exec")
    exec(code, made.__dict__)
    return made


def _changed(path: str, places: dict[str, str]) -> str:
    text = (BLOCKS / f"{path}.py").read_text()
    for change in CHANGES.get(path, ()):
        assert text.count(change.old) == 1, f"{path}: {change.old!r} is not there once"
        new = change.new
        for place, value in places.items():
            new = new.replace(f"<{place}>", value)
        text = text.replace(change.old, new)
    return text
