"""Packages that are declared and never imported: an image is smaller without them.

flyteidl2 (2.0.20 to 2.0.53) declares protovalidate, and none of its modules imports it: its messages need
the descriptors of `buf.validate` only, which it brings along. With what protovalidate needs in turn
that is 13 MB. The build imports the service afterwards, so that a release which changes this is noticed.
"""

from __future__ import annotations

import re

NEVER_IMPORTED = frozenset({("flyteidl2", "protovalidate")})
"""Pairs of a package and one that it declares in vain."""

_ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)
_NAME = re.compile(r"[-_.A-Za-z0-9]+")
_VIA = re.compile(r"^ +# via (.+)\n", re.MULTILINE)


def without_unused(lock: str) -> str:
    """A lock without what only `NEVER_IMPORTED` asks for, and without its annotations.

    Args:
        lock: As of `uv pip compile --annotation-style line`; what people asked for is there because of
            `-r FILE`.
    """
    entries = {match[0]: text for text in _ENTRY.split(lock) if (match := _NAME.match(text))}
    wanted = {name: _VIA.findall(text)[0].split(", ") for name, text in entries.items()}
    kept: set[str] = set()
    while more := {name for name in entries.keys() - kept if _is_needed(name, wanted[name], kept)}:
        kept |= more
    return "".join(_VIA.sub("", text) for name, text in entries.items() if name in kept)


def _is_needed(name: str, wanted_by: list[str], kept: set[str]) -> bool:
    return any(
        parent.startswith("-r ") or (parent in kept and (parent, name) not in NEVER_IMPORTED)
        for parent in wanted_by
    )
