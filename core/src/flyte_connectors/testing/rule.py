"""The mark of a standard test: which verb or ability it is about."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., Any])


def rule(
    verb: str | None = None,
    *,
    service: type | None = None,
    given: str | None = None,
    repeats: bool = False,
) -> Callable[[Test], Test]:
    """Mark a method as a standard test.

    Args:
        verb: The verb that it is about; connectors without it skip the test. None is for all.
        service: What the service must be able to do besides `ControllableService`.
        given: The optional fixture that it asks about; those who leave it empty skip the test.
        repeats: Whether it repeats a create that another process has run, or whose outcome is unknown;
            connectors whose create may not be repeated skip it: the core never repeats it.
    """

    def mark(test: Test) -> Test:
        needs: Any = test
        needs.rule_verb, needs.rule_service, needs.rule_fixture = verb, service, given
        needs.rule_repeats = repeats
        marked: Test = pytest.mark.asyncio(test) if inspect.iscoroutinefunction(test) else test
        return marked

    return mark


def standard_tests(cls: type) -> dict[str, Any]:
    """The standard tests of a class, by name."""
    return {name: test for name in dir(cls) if hasattr(test := inspect.getattr_static(cls, name), "rule_verb")}
