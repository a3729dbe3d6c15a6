"""Texts that leave have an end, which says what is missing."""

from __future__ import annotations

import re
import urllib.parse

from flyte_connectors._calls.texts import (
    LONGEST_ERROR,
    shortened,
    shortened_status,
)
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CUT = re.compile(r" \.\.\. \((\d+) characters cut\)$")
PRINTABLE = "".join(map(chr, range(32, 127))).replace("%", "")


@given(TEXT, st.integers(0, 5000))
def test_a_text_keeps_its_beginning_and_its_length(text: str, times: int) -> None:
    """What is cut is counted; what is short enough stays as it is."""
    text *= times
    shown = shortened(text)
    assert len(shown) <= LONGEST_ERROR
    if len(text) <= LONGEST_ERROR:
        assert shown == text
        return
    found = CUT.search(shown)
    assert found
    assert text.startswith(shown[: found.start()])
    assert found.start() + int(found[1]) == len(text)


@given(TEXT, st.integers(0, 5000))
def test_a_status_fits_the_metadata_as_it_is_sent(text: str, times: int) -> None:
    """Percent-encoded, a character may take twelve bytes."""
    shown = shortened_status(text * times)
    assert len(urllib.parse.quote(shown, safe=PRINTABLE)) <= 2500
    assert shown == text * times or CUT.search(shown)


def test_usual_texts_stay() -> None:
    """In any alphabet."""
    for text in ("no such table: 'orders'", "таблица не найдена", "表が見つかりません" * 10):
        assert shortened_status(text) == text
