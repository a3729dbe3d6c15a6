"""A job's inputs as the pages show them: short, and without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors._masking import masker

from flyte_connectors_console.texts import literal_text, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flyteidl2.task.common_pb2 import Inputs

_MOST = 30
_LONGEST = 300  # characters, of what is kept for every job


def inputs_view(inputs: Inputs, secrets: Iterable[str]) -> Mapping[str, str]:
    """The first inputs by name.

    Args:
        inputs: They, as Flyte sends them.
        secrets: What must not be seen, also where it is part of an input.
    """
    known = masker(frozenset(secrets))
    return {named.name: shortened(known.mask(literal_text(named.value)), _LONGEST) for named in inputs.literals[:_MOST]}
