"""Laws of time limits, on a clock that tests set: no call outlives its own, and none is cut short."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

import virtual_time
from flyte_connectors import AsyncConnector, ResourceMeta
from flyte_connectors._calls.deadlines import RESOLUTION
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._calls.retries import SHARE, Backoff
from flyte_connectors._registry.binding import bind
from flyte_connectors.errors import ConnectorError, DeadlineExceededError, ServiceUnavailableError
from hypothesis import given
from hypothesis import strategies as st

SLACK = 1e-6  # seconds; floating point


class Meta(ResourceMeta):
    job: str


class Sleeper(AsyncConnector[Meta]):
    """Its `get` takes as long as it is told."""

    name = "Sleeper"
    task_type_name = "sleeper"
    metadata_type = Meta

    async def create(self, **kwargs: Any) -> Meta:
        raise NotImplementedError

    async def get(self, resource_meta: float, **kwargs: Any) -> Any:  # type: ignore[override]
        await asyncio.sleep(resource_meta)
        return "done"

    async def delete(self, **kwargs: Any) -> None:
        raise NotImplementedError


class Call(NamedTuple):
    """A call: when it starts, what it takes, and its limit; in seconds."""

    start: float
    work: float
    limit: float


CALLS = st.lists(
    st.builds(Call, start=st.floats(0, 1), work=st.floats(0, 3), limit=st.floats(0.001, 2)),
    min_size=1,
    max_size=10,
)


async def _outcome(guard: CallGuard, verb: Any, call: Call) -> tuple[bool, float]:
    """Whether the call was answered, and after how many seconds."""
    await asyncio.sleep(call.start)
    began = time.monotonic()
    try:
        await guard.call(verb, {"resource_meta": call.work}, timeout=call.limit)
    except DeadlineExceededError:
        return False, time.monotonic() - began
    return True, time.monotonic() - began


@given(calls=CALLS)
def test_no_call_outlives_its_limit_and_none_is_cut_short(calls: list[Call]) -> None:
    """Whatever runs beside it: late by the resolution at most, never early."""

    async def outcomes() -> list[tuple[bool, float]]:
        guard = CallGuard()
        verb = bind(Sleeper(), source="here").verb("get")
        return await asyncio.gather(*(_outcome(guard, verb, call) for call in calls))

    for call, (answered, seconds) in zip(calls, virtual_time.run(outcomes()), strict=True):
        if answered:
            assert abs(seconds - call.work) <= SLACK
            assert call.work <= call.limit + RESOLUTION + SLACK
        else:
            assert call.work >= call.limit
            assert call.limit - SLACK <= seconds <= call.limit + RESOLUTION + SLACK


@given(timeout=st.floats(0.001, 100), work=st.lists(st.floats(0, 5), min_size=1, max_size=20))
def test_tries_end_within_their_share(timeout: float, work: list[float]) -> None:
    """No pause begins that would end behind it; what is left for a try is never nothing."""

    async def tries() -> tuple[float, float]:
        began, backoff, ended = time.monotonic(), Backoff(timeout), 0.0
        for seconds in work:
            left = backoff.left()
            assert left > 0
            await asyncio.sleep(min(seconds, left))
            ended = time.monotonic() - began
            if not await backoff.again(ServiceUnavailableError("away")):
                break
        return ended, time.monotonic() - began

    ended, left = virtual_time.run(tries())
    assert max(ended, left) <= SHARE * timeout + 0.001 + SLACK


@given(error=st.sampled_from(ConnectorError.__subclasses__()))
def test_only_what_is_marked_so_is_tried_again(error: type[ConnectorError]) -> None:
    """The class of an error decides, nothing else."""

    async def is_tried_again() -> bool:
        return await Backoff(10).again(error("some text"))

    assert virtual_time.run(is_tried_again()) is error.retryable
