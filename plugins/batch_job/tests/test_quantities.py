"""Quantities as Kubernetes writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_batch_job import quantities


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1Gi", 2**30),
        ("1G", 10**9),
        ("1.5Ki", 1536),
        (7, 7),
        ("1e3", 1000),
        ("0.5", 1),
        ("2E", 2 * 10**18),
    ],
)
def test_bytes_are_whole_numbers(text: str | int, number: int) -> None:
    """Parts are rounded up."""
    assert quantities.whole(text) == number


@pytest.mark.parametrize(("text", "number"), [("500m", 0.5), (2, 2.0), (0.25, 0.25), ("1", 1.0)])
def test_cores_may_be_parts(text: str | float, number: float) -> None:
    """Thousandths are the usual unit."""
    assert quantities.cores(text) == number


@pytest.mark.parametrize("text", ["", "Gi", "1 GiB", "1gi", "nan", "inf", "1,5", "1e999", "0x10", "٣"])
def test_other_texts_are_refused(text: str) -> None:
    """Rather than read as something near."""
    with pytest.raises(ValueError, match="is not a quantity"):
        quantities.whole(text)


@given(st.integers(0, 2**70))
def test_a_readable_size_means_the_same(size: int) -> None:
    """Nothing is rounded."""
    assert quantities.whole(quantities.readable(size)) == size
