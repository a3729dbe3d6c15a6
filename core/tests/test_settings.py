"""Settings of plugins: what a dataclass declares, and what variables and TOML give."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import pytest
from flyte_connectors.errors import ServiceUnavailableError, SettingsError
from flyte_connectors.settings import (
    PluginSettings,
    as_text,
    as_toml,
    declared,
    from_texts,
    parse_value,
    setting,
    table,
)
from hypothesis import given
from hypothesis import strategies as st


@dataclasses.dataclass(frozen=True)
class Pool:
    """A table within the table."""

    size: int = setting(4, "connections", minimum=1)
    labels: Mapping[str, str] | None = setting(None, "labels of each")


@dataclasses.dataclass(frozen=True)
class Settings(PluginSettings, prefix="ACME_"):
    """One field of each kind."""

    region: str = setting("eu", "where jobs run", choices=("eu", "us"))
    strict: bool = setting(default=False, help="refuse warnings")
    wait: float = setting(1.5, "seconds to wait", minimum=0)
    hosts: tuple[str, ...] = setting((), "servers")
    only: tuple[str, ...] | None = setting(None, "projects; all where unset")
    url: str | None = setting(None, "an address", variable="ACME_SERVICE_URL")
    pool: Pool = table(Pool)  # noqa: RUF009  (a field)


def read(**texts: str) -> Settings:
    """The settings that these variables give."""
    return from_texts(Settings, texts)


def test_unset_is_the_default() -> None:
    """An empty variable is unset, too, unless it is a list."""
    assert read() == Settings()
    assert read(ACME_REGION="", ACME_SERVICE_URL=" ", ACME_WAIT="") == Settings()
    assert read(ACME_ONLY="").only == ()


def test_each_kind_of_field_is_read() -> None:
    """By its type; a table within is part of the name."""
    given = read(
        ACME_REGION="us",
        ACME_STRICT="yes",
        ACME_WAIT="0.5",
        ACME_HOSTS="a, b",
        ACME_ONLY='["x,y", "z"]',
        ACME_SERVICE_URL="http://a",
        ACME_POOL_SIZE="7",
        ACME_POOL_LABELS='{"team": "ml"}',
    )
    pool = Pool(7, {"team": "ml"})
    assert given == Settings("us", True, 0.5, ("a", "b"), ("x,y", "z"), "http://a", pool)


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("ACME_REGION", "asia", r"invalid value 'asia': choose from eu, us"),
        ("ACME_STRICT", "perhaps", r"invalid value 'perhaps': set it to true or false"),
        ("ACME_WAIT", "-1", r"invalid value '-1': must be at least 0"),
        ("ACME_WAIT", "nan", r"invalid value 'nan'"),
        ("ACME_POOL_SIZE", "0", r"invalid value '0': must be at least 1"),
        ("ACME_POOL_SIZE", "many", r"invalid value 'many' \(connections\)"),
        ("ACME_POOL_LABELS", "team=ml", r"invalid value 'team=ml'"),
        ("ACME_POOL_LABELS", '{"a": {}}', r"invalid value"),
    ],
)
def test_an_invalid_value_names_its_variable(
    variable: str, text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a setting when a service starts; in a call as a fault that may be retried, so that jobs go on."""
    with pytest.raises(SettingsError, match=f"^{variable}: {reason}"):
        read(**{variable: text})
    monkeypatch.setenv(variable, text)
    with pytest.raises(ServiceUnavailableError, match=f"^{variable}: {reason}") as told:
        Settings.read()
    assert told.value.outcome_unknown is False


def test_a_change_of_the_environment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed values are kept, and never past their texts."""
    for size in ("2", "3"):
        monkeypatch.setenv("ACME_POOL_SIZE", size)
        assert Settings.read().pool.size == int(size)
        assert Settings.read() is Settings.read()


def test_contradictions_are_the_plugins_to_refuse() -> None:
    """By `__post_init__`, as of every dataclass."""

    @dataclasses.dataclass(frozen=True)
    class Range(PluginSettings, prefix="RANGE_"):
        low: int = setting(1, "the least")
        high: int = setting(2, "the most")

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise SettingsError("must not be over RANGE_HIGH", field="RANGE_LOW")

    with pytest.raises(SettingsError, match="RANGE_LOW: must not be over RANGE_HIGH"):
        from_texts(Range, {"RANGE_LOW": "9"})


VALUES = {
    "region": st.sampled_from(["eu", "us"]),
    "strict": st.booleans(),
    "wait": st.floats(0, 1e300),
    "hosts": st.lists(st.text(min_size=1).map(str.strip).filter(bool)),
    "url": st.text(min_size=1).map(str.strip).filter(bool),
    "pool.size": st.integers(1, 10**12),
    "pool.labels": st.dictionaries(st.text(), st.text()),
}


@given(st.data())
def test_what_toml_gives_survives_as_a_variable(data: st.DataObject) -> None:
    """That is how the values of a file reach every process."""
    for one in declared(Settings):
        if one.key not in VALUES:
            continue
        value: Any = data.draw(VALUES[one.key], label=one.key)
        text = as_text(value)
        from_file = parse_value(one.metadata, value, "file")
        assert parse_value(one.metadata, text, one.variable) == from_file


@given(st.floats(0, math.inf, exclude_max=True) | st.text() | st.booleans())
def test_single_values_are_toml(value: Any) -> None:
    """With every character."""
    tomllib = pytest.importorskip("tomllib")
    if isinstance(value, str):
        value = value.encode(errors="ignore").decode()
    assert tomllib.loads(f"key = {as_toml(value)}")["key"] == value


def test_a_mapping_is_an_inline_table() -> None:
    """So that a printed configuration can be used as the file."""
    tomllib = pytest.importorskip("tomllib")
    labels = {"a b": 'x"y', "": "z"}
    assert tomllib.loads(f"key = {as_toml(labels)}")["key"] == labels
    assert json.loads(as_text(labels)) == labels
