"""Jobs in URLs."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_console.job_address import LONGEST_META, JobAddress


@given(
    st.text("abcdefgh_.-~ é", min_size=1),
    st.binary(min_size=1, max_size=200),
    st.integers(0, 10**6),
)
def test_an_address_survives_its_url(task_type: str, meta: bytes, version: int) -> None:
    """Whatever bytes a connector seals."""
    address = JobAddress(task_type, meta, version)
    path, _, query = address.path.partition("?version=")
    _, jobs, written, sealed = path.split("/")
    assert jobs == "jobs"
    assert JobAddress.parse(unquote(written), sealed, query) == address


@pytest.mark.parametrize(
    ("sealed", "version"),
    [("", ""), ("a", ""), ("é", ""), ("a b", ""), ("YQ", "x"), ("YQ", "9" * 10)],
)
def test_a_damaged_one_is_refused(sealed: str, version: str) -> None:
    """In words."""
    with pytest.raises(ValueError, match="incomplete or damaged"):
        JobAddress.parse("x", sealed, version)


def test_a_meta_that_is_too_long_has_no_page() -> None:
    """No server would take its URL."""
    assert JobAddress("x", b"m" * LONGEST_META).path
    assert not JobAddress("x", b"m" * (LONGEST_META + 1)).path
