"""YAML that says what the data say."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from flyte_connectors_deploy.kubernetes_yaml import to_yaml

TEXT = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["no", "Y", "1e3", "0o7", "1:30", "~", "null", "=", "a: b", "- a", "#x", ""]),
)
DATA: Any = st.recursive(
    st.one_of(TEXT, st.integers(), st.booleans()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, DATA))
def test_a_yaml_reader_gets_the_data_back(data: dict[str, Any]) -> None:
    """Texts that look like something else stay texts."""
    assert yaml.safe_load(to_yaml(data)) == data


def test_documents_are_separate() -> None:
    """As `kubectl apply` reads them."""
    assert list(yaml.safe_load_all(to_yaml(*[{"a": 1}, {"b": []}]))) == [
        {"a": 1},
        {"b": []},
    ]
