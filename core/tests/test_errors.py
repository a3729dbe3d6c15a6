"""The error tree: what its docstring draws is what the classes are."""

from __future__ import annotations

import inspect
import re

import grpc
import pytest
from flyte_connectors import errors
from flyte_connectors.errors import ConnectorError

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, ConnectorError)}
LINE = re.compile(r"^ {4}([│ ]*)(?:[├└]── )?(\w+Error) *([A-Z_]{4,})?", re.MULTILINE)


def _drawn() -> dict[str, tuple[str | None, str | None]]:
    """Parent and code of each class in the docstring's tree; the code is None where none is drawn."""
    tree: dict[str, tuple[str | None, str | None]] = {}
    last_at: dict[int, str] = {}
    for match in LINE.finditer(errors.__doc__ or ""):
        indent, name, code = match.groups()
        depth = 0 if name == "ConnectorError" else 1 + len(indent) // 4
        tree[name] = (last_at.get(depth - 1), code)
        last_at[depth] = name
    return tree


def test_every_class_is_drawn() -> None:
    """The tree on top of the module is complete."""
    assert set(_drawn()) == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_stands_where_it_is_drawn(name: str) -> None:
    """Its parent is the one of the tree, and its code the one beside it."""
    parent, code = _drawn()[name]
    assert parent is None or parent in {base.__name__ for base in CLASSES[name].__bases__}
    assert code is None or CLASSES[name].code == code


@pytest.mark.parametrize("cls", CLASSES.values())
def test_a_code_is_a_grpc_status_code(cls: type[ConnectorError]) -> None:
    """The adapter can put it on the wire."""
    assert grpc.StatusCode[cls.code] is not grpc.StatusCode.OK


def test_only_passing_faults_are_retryable() -> None:
    """Only rate limits, unavailable systems and timeouts are retryable."""
    assert {name for name, cls in CLASSES.items() if cls.retryable} == {
        "RateLimitedError",
        "ServiceUnavailableError",
        "DeadlineExceededError",
        "NotJsonError",
    }


def test_a_message_is_one_line() -> None:
    """Whatever a connector passes on, people read one line."""
    assert ConnectorError("a\n  b\tc \n").message == "a b c"
    assert str(ConnectorError("a\nb")) == "a b"


def test_a_bad_field_is_named_first() -> None:
    """The text begins with the field's dotted name."""
    error = errors.InvalidRequestError("must be positive", field="inputs.epochs")
    assert str(error) == "inputs.epochs: must be positive"
    assert error.field == "inputs.epochs"
    assert str(errors.InvalidRequestError("bad")) == "bad"


def test_builtin_handlers_still_fit() -> None:
    """Code that catches LookupError or ValueError catches ours."""
    assert issubclass(errors.ConnectorNotFoundError, LookupError)
    assert issubclass(errors.RegistrationError, ValueError)


def test_a_failed_task_tells_its_phase() -> None:
    """Callers can tell a failure from a cancellation or a time-out."""
    assert errors.TaskFailedError("x").phase == "FAILED"
    assert errors.TaskFailedError("x", phase="TIMED_OUT").phase == "TIMED_OUT"


def test_a_refusal_has_started_nothing() -> None:
    """Only broken connections and unexpected errors may hide a started job; an instance can override that."""
    assert {name for name, cls in CLASSES.items() if not cls.outcome_unknown} == {
        "InvalidRequestError",
        "InvalidResourceMetaError",
        "UnsupportedVerbError",
        "AuthenticationError",
        "PermissionDeniedError",
        "JobNotFoundError",
        "ConnectorNotFoundError",
        "ConflictError",
        "RateLimitedError",
        "ContractError",
        "SettingsError",
    }
    assert not errors.ServiceUnavailableError("refused", outcome_unknown=False).outcome_unknown
