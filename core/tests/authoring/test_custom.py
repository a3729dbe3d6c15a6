"""A configuration dataclass comes back from `custom` as it was, and everything else is refused by name."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from flyte_connectors.authoring import read_custom, write_custom
from flyte_connectors.errors import InvalidRequestError
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True)
class Retry:
    times: int = 3
    pause: dt.timedelta = dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Login:
    user: str


@dataclass(frozen=True)
class Config:
    endpoint: str
    command: Sequence[str] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 300
    retry: Retry = field(default_factory=Retry)
    login: Login | None = None
    size: Size = Size.SMALL
    mode: Literal["fast", "safe"] = "safe"
    free: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.timeout_seconds <= 0:
            message = "must be greater than zero"
            raise InvalidRequestError(message, field="custom.timeout_seconds")


def custom(**fields: Any) -> Struct:
    """A task's `custom` with these members."""
    struct = Struct()
    struct.update(fields)
    return struct


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
CONFIGS = st.builds(
    Config,
    endpoint=TEXTS,
    command=st.none() | st.lists(TEXTS, max_size=3),
    env=st.dictionaries(TEXTS, TEXTS, max_size=3),
    timeout_seconds=st.floats(0.1, 1e6),
    retry=st.builds(Retry, st.integers(0, 2**53), st.timedeltas(dt.timedelta(0), dt.timedelta(9))),
    login=st.none() | st.builds(Login, TEXTS),
    size=st.sampled_from(Size),
    mode=st.sampled_from(["fast", "safe"]),
    free=st.dictionaries(TEXTS, TEXTS | st.integers(0, 9) | st.booleans() | st.none(), max_size=3),
)


@given(CONFIGS)
def test_a_configuration_comes_back_as_it_was(config: Config) -> None:
    """Through a protobuf `Struct`, whose numbers are all doubles."""
    assert read_custom(Config, custom(**write_custom(config))) == config


def test_only_what_differs_from_the_defaults_travels() -> None:
    """Also inside of nested configurations."""
    config = Config("here", command=("ls", "-l"), retry=Retry(times=5))
    expected = {"endpoint": "here", "command": ["ls", "-l"], "retry": {"times": 5}}
    assert write_custom(config) == expected


def test_what_the_core_reads_is_left_out() -> None:
    """Secrets and configs have no field in a plugin's configuration."""
    given_beside = custom(endpoint="x", secrets={"token": "t"}, configs={"region": "r"})
    assert read_custom(Config, given_beside) == Config("x")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "custom.endpoint: missing"),
        ({"endpoint": 3}, "custom.endpoint: expected str, got 3 (int)"),
        ({"endpoint": "x", "comand": []}, "custom.comand: unknown field; available: endpoint, "),
        ({"endpoint": "x", "command": "ls -l"}, "custom.command: expected "),
        ({"endpoint": "x", "command": ["ls", 1]}, "custom.command[1]: expected str, got 1 (int)"),
        ({"endpoint": "x", "env": {"A": 1}}, "custom.env['A']: expected str, got 1 (int)"),
        ({"endpoint": "x", "retry": {"times": 1.5}}, "custom.retry.times: expected int, got 1.5"),
        (
            {"endpoint": "x", "retry": {"time": 1}},
            "custom.retry.time: unknown field; available: times, pause",
        ),
        ({"endpoint": "x", "login": {}}, "custom.login.user: missing"),
        ({"endpoint": "x", "size": "huge"}, "custom.size: expected Size (one of SMALL, LARGE)"),
        ({"endpoint": "x", "mode": "slow"}, "custom.mode: expected one of 'fast', 'safe'"),
        ({"endpoint": "x", "timeout_seconds": 0}, "custom.timeout_seconds: must be greater than"),
        ({"endpoint": "x", "timeout_seconds": float("nan")}, "custom: not a JSON object: "),
    ],
)
def test_what_does_not_fit_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    """With the way to it, and what would be right."""
    with pytest.raises(InvalidRequestError) as refused:
        read_custom(Config, custom(**fields))
    assert refused.value.message.startswith(message)


def test_a_configuration_that_can_not_travel_is_refused_where_it_is_written() -> None:
    """On the author's own machine, not in the service."""
    with pytest.raises(InvalidRequestError, match=r"custom\.command: expected "):
        write_custom(Config("x", command="ls -l"))
