"""The package's front: every promised name is there, and nothing more is promised."""

from __future__ import annotations

import inspect

import flyte_connectors
import pytest

NAMES = flyte_connectors.__all__


def _kind(name: str) -> tuple[int, str]:
    """Constants, classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def test_all_is_sorted() -> None:
    """Constants, classes, functions, each by the alphabet, none twice."""
    assert sorted(set(NAMES), key=_kind) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_importable(name: str) -> None:
    """`from flyte_connectors import ...` works for each."""
    assert getattr(flyte_connectors, name) is not None
    assert name in dir(flyte_connectors)


def test_the_docstring_names_them_all() -> None:
    """The map on top of the package is complete."""
    missing = [name for name in NAMES if name not in (flyte_connectors.__doc__ or "")]
    assert not missing


@pytest.mark.parametrize("name", [name for name in NAMES if inspect.isclass(getattr(flyte_connectors, name))])
def test_public_classes_are_documented(name: str) -> None:
    """Each class says what it is."""
    assert inspect.getdoc(getattr(flyte_connectors, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As in any other module."""
    with pytest.raises(AttributeError, match="module 'flyte_connectors' has no attribute 'Connecter'"):
        _ = flyte_connectors.Connecter
