"""Limits for the length of texts in errors and resources."""

from __future__ import annotations

LONGEST_ERROR = 2000
"""Characters of an error's text; more are cut."""

LONGEST_MESSAGE = 10_000
"""Characters of a resource's message; more are cut."""

_LARGEST_ERROR = 2500
"""Bytes of an error's text as gRPC sends it. Clients take 8 KiB of metadata, and the status holds it twice."""

_NOTE = len(" ... (4194304 characters cut)")


def shortened(text: str, longest: int = LONGEST_ERROR) -> str:
    """`text`, cut to `longest` characters. Mask secrets first: half a secret is not recognized."""
    if len(text) <= longest:
        return text
    return _cut(text, longest - _NOTE)


def shortened_status(text: str) -> str:
    """`text`, cut so that it fits the metadata of a reply, where gRPC percent-encodes what is not printable ASCII."""
    if len(text) * 12 <= _LARGEST_ERROR:  # four bytes of UTF-8, three each
        return text
    room = _LARGEST_ERROR - _NOTE
    for at, char in enumerate(text[:LONGEST_ERROR]):
        room -= 1 if " " <= char <= "~" and char != "%" else 3 * len(char.encode(errors="replace"))
        if room < 0:
            return _cut(text, at)
    return shortened(text)


def _cut(text: str, kept: int) -> str:
    return f"{text[:kept]} ... ({len(text) - kept} characters cut)"
