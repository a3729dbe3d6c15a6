"""The way of a request: down through the rooms, and never back up."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import flyte_connectors
import pytest
from fake_jobs import JobService, create_request, get_request, template
from flyte_connectors import Phase, Resource
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry

ROOT = str(pathlib.Path(flyte_connectors.__file__).parent) + "/"


def _place(frame: FrameType | None) -> tuple[str, str]:
    """The room and the function of a frame; empty outside of this package."""
    if frame is None or not frame.f_code.co_filename.startswith(ROOT):
        return "", ""
    room, _, _ = frame.f_code.co_filename.removeprefix(ROOT).rpartition("/")
    return room.partition("/")[0], frame.f_code.co_name


async def _entries(call: Callable[[], Awaitable[Any]]) -> list[tuple[str, str, str]]:
    """From which room which function of another room was called, first entries only."""
    found: dict[tuple[str, str, str], None] = {}

    def look(frame: FrameType, event: str, _: Any) -> None:
        caller, (room, function) = _place(frame.f_back)[0], _place(frame)
        if event == "call" and room and caller and room != caller:
            found.setdefault((caller, room, function))

    sys.setprofile(look)
    try:
        await call()
    finally:
        sys.setprofile(None)
    return list(found)


@pytest.mark.parametrize("verb", ["create", "get"])
async def test_no_room_is_entered_from_below(
    verb: str, registry: Registry, guard: CallGuard, service: JobService
) -> None:
    """`_dispatch` is entered by its caller alone, and the connector's call goes through one function."""
    dispatcher = Dispatcher(registry, guard, faults=TransientFaults(lost_after=60))
    request = create_request(template({"n": int}, {"m": int}), values={"n": 1})
    service.states = [Resource(Phase.SUCCEEDED, outputs={"m": 2})]
    meta = (await dispatcher.create(request, timeout=10)).resource_meta
    calls: dict[str, Callable[[], Awaitable[Any]]] = {
        "create": lambda: dispatcher.create(create_request(run="run2"), timeout=10),
        "get": lambda: dispatcher.get(get_request(meta), timeout=10),
    }
    entries = await _entries(calls[verb])
    assert not [entry for entry in entries if entry[1] == "_dispatch"], entries
    assert [entry for entry in entries if entry[1] == "_registry"] == [("_dispatch", "_registry", "find")]
    assert ("_dispatch", "_calls", "call") in entries
    assert not [entry for entry in entries if entry[0] in ("_registry", "types") and entry[1] == "_calls"]
