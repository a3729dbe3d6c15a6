"""Partial responses, which Google's APIs give and the emulator does not.

A mask is a comma-separated list of members, each with an optional mask of its own: `a,b(c,d/e)`;
`d/e` is short for `d(e)`. https://cloud.google.com/apis/docs/system-parameters
"""

from __future__ import annotations

import re
from typing import Any

Mask = dict[str, "Mask"]
"""The members that are wanted; an empty mask wants all."""


def masked(resource: Any, fields: str) -> Any:
    """What `fields` leaves of `resource`."""
    tokens = re.findall(r"\w+|[(),/]", fields)
    mask = _mask(tokens)
    assert not tokens, f"{fields} is no mask: {tokens} is left over"
    return _keep(resource, mask)


def _mask(tokens: list[str]) -> Mask:
    mask: Mask = {}
    while True:
        mask |= _member(tokens)
        if tokens[:1] != [","]:
            return mask
        tokens.pop(0)


def _member(tokens: list[str]) -> Mask:
    name = tokens.pop(0)
    if tokens[:1] == ["/"]:
        tokens.pop(0)
        return {name: _member(tokens)}
    if tokens[:1] != ["("]:
        return {name: {}}
    tokens.pop(0)
    inner = _mask(tokens)
    assert tokens.pop(0) == ")"
    return {name: inner}


def _keep(value: Any, mask: Mask) -> Any:
    if isinstance(value, list):
        return [_keep(element, mask) for element in value]
    if not mask or not isinstance(value, dict):
        return value
    return {name: _keep(value[name], inner) for name, inner in mask.items() if name in value}
