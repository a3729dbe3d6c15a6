"""The connectors as Flyte 1's `Agent` messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flyte_connectors_official.flyte_1.messages import message

if TYPE_CHECKING:
    from flyte_connectors.bound import BoundConnector


def agents_of(connectors: Iterable[BoundConnector]) -> list[Any]:
    """An agent for each connector's name, and kind: Flyte 1 asks one or the other way for all of its types."""
    found: dict[tuple[str, bool], Any] = {}
    for bound in connectors:
        key = (bound.name, bound.is_sync)
        agent = found.setdefault(key, message("Agent")(name=bound.name, is_sync=bound.is_sync))
        agent.supported_task_types.append(bound.category.name)
        agent.supported_task_categories.add(name=bound.category.name, version=bound.category.version)
    return list(found.values())
