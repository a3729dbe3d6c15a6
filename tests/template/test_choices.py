"""The combinations that are baked by default stand for all."""

from __future__ import annotations

import dataclasses
import itertools

from tests.template.choices import COVERING, Choices, every


def pairs(choices: Choices) -> set[tuple[tuple[str, object], ...]]:
    """Each two of its choices."""
    return set(itertools.combinations(dataclasses.asdict(choices).items(), 2))


def test_each_two_choices_meet() -> None:
    """Faults of a template are those of one choice, or of two that meet."""
    assert set().union(*map(pairs, COVERING)) == set().union(*map(pairs, every()))
    assert set(COVERING) <= set(every())
