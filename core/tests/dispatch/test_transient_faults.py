"""What GetTask answers through faults, on a clock that tests set: in time, and for a bounded time."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import pytest
import virtual_time
from flyte_connectors._calls.retries import DEFAULT_TIMEOUT, SHARE, Backoff
from flyte_connectors._dispatch.transient_faults import FaultCounts, TransientFaults
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InternalError,
    InvalidRequestError,
    JobNotFoundError,
    RateLimitedError,
    ServiceUnavailableError,
    UnsupportedVerbError,
)
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from hypothesis import given
from hypothesis import strategies as st

JOB = b"meta of a job"
AWAY = ServiceUnavailableError("the vendor is down")
REFUSED = AuthenticationError("the vendor refuses the key")


class Asked:
    """A connector's `get`: what each try takes in seconds, and ends with; the last repeats.

    Attributes:
        tries: When each try began, in seconds since the first.
        given: The seconds that each was given.
    """

    def __init__(self, *script: tuple[float, ConnectorError | None]) -> None:
        self._script = list(script)
        self.tries: list[float] = []
        self.given: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.tries.append(time.monotonic())
        self.given.append(seconds)
        takes, error = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        await asyncio.sleep(min(takes, seconds))  # the guard sees to that
        if takes > seconds:
            raise ServiceUnavailableError("no answer in time")
        if error is not None:
            raise error


async def answered(
    faults: TransientFaults, asked: Asked, timeout: float | None = 10.0, job: bytes = JOB
) -> pb.Resource:
    """What the dispatcher's loop comes to."""
    resource = pb.Resource()
    backoff = Backoff(timeout)
    while True:
        try:
            await asked(backoff.left())
        except ConnectorError as error:
            if await faults.covered(job, error, backoff, resource):
                return resource
        else:
            faults.answered(job)
            return resource


def counts(faults: TransientFaults) -> dict[str, int]:
    return dataclasses.asdict(faults.counts)


def test_a_good_answer_is_left_as_it_is() -> None:
    """Nothing is counted, nothing remembered."""
    faults = TransientFaults(lost_after=60)
    asked = Asked((0.0, None))
    assert virtual_time.run(answered(faults, asked)) == pb.Resource()
    assert len(asked.tries) == 1
    assert faults.counts == FaultCounts()


@pytest.mark.parametrize("error", [AWAY, RateLimitedError("slow down")])
def test_a_passing_fault_is_retried_with_growing_pauses(error: ConnectorError) -> None:
    """Until it has passed; the caller sees the answer alone."""
    faults = TransientFaults(lost_after=60)
    asked = Asked((0, error), (0, error), (0, error), (0, error), (0, None))
    assert virtual_time.run(answered(faults, asked)) == pb.Resource()
    pauses = [after - before for before, after in zip(asked.tries, asked.tries[1:], strict=False)]
    for pause, longest in zip(pauses, (0.05, 0.1, 0.2, 0.4), strict=True):
        assert longest / 2 <= pause <= longest + 1e-9
    assert counts(faults) == {"retried": 4, "answered": 0, "lost": 0}


def test_pauses_are_never_twice_the_same() -> None:
    """Jitter: a thousand callers do not come back all at once."""

    def second_try() -> float:
        asked = Asked((0, AWAY), (0, None))
        virtual_time.run(answered(TransientFaults(lost_after=60), asked))
        return asked.tries[1]

    assert len({second_try() for _ in range(20)}) == 20


@pytest.mark.parametrize("error", [REFUSED, InternalError("failed unexpectedly"), ConnectorError("odd")])
def test_what_does_not_pass_is_answered_at_once(error: ConnectorError) -> None:
    """RUNNING is what is known; asking again would change nothing."""
    faults = TransientFaults(lost_after=60)
    asked = Asked((0.0, error))
    resource = virtual_time.run(answered(faults, asked))
    assert resource == pb.Resource(phase=TaskExecution.RUNNING)
    assert len(asked.tries) == 1
    assert counts(faults) == {"retried": 0, "answered": 1, "lost": 0}


def test_a_job_that_is_gone_is_lost_at_once() -> None:
    """Nobody will find it later; a new attempt may do better."""
    faults = TransientFaults(lost_after=60)
    resource = virtual_time.run(answered(faults, Asked((0.0, JobNotFoundError("no such job")))))
    assert resource.phase == TaskExecution.RETRYABLE_FAILED
    assert resource.message == "no such job"
    assert counts(faults) == {"retried": 0, "answered": 0, "lost": 1}


@pytest.mark.parametrize("error", [InvalidRequestError("bad meta"), UnsupportedVerbError("no get")])
def test_a_bad_request_is_no_fault(error: ConnectorError) -> None:
    """It is raised, and no time is counted for the job."""
    faults = TransientFaults(lost_after=0)

    async def ask_twice() -> pb.Resource:
        with pytest.raises(type(error)):
            await answered(faults, Asked((0.0, error)))
        await asyncio.sleep(60)
        return await answered(faults, Asked((0.0, REFUSED)))

    assert virtual_time.run(ask_twice()).phase == TaskExecution.RUNNING


async def _polled(faults: TransientFaults, script: list[tuple[float, Any]]) -> list[int]:
    """The phases that polls at these seconds see."""
    began, phases = time.monotonic(), []
    for at, error in script:
        await asyncio.sleep(began + at - time.monotonic())
        phases.append((await answered(faults, Asked((0.0, error)))).phase)
    return phases


RUNNING, LOST, ANSWER = TaskExecution.RUNNING, TaskExecution.RETRYABLE_FAILED, 0


@pytest.mark.parametrize(
    ("script", "phases"),
    [
        ([(0, REFUSED), (600, REFUSED), (630, REFUSED)], [RUNNING, RUNNING, LOST]),
        ([(0, REFUSED), (590, None), (620, REFUSED)], [RUNNING, ANSWER, RUNNING]),
        ([(0, REFUSED), (601, REFUSED), (630, REFUSED)], [RUNNING, LOST, RUNNING]),
        ([(0, None), (7200, REFUSED)], [ANSWER, RUNNING]),
    ],
    ids=["lost after the limit", "an answer starts anew", "a loss starts anew", "first fault late"],
)
def test_a_job_is_lost_after_the_limit_of_silence(script: list[tuple[float, Any]], phases: list[int]) -> None:
    """Counted from the first fault since the last answer, not from the job's start."""
    assert virtual_time.run(_polled(TransientFaults(lost_after=600), script)) == phases


def test_a_lost_job_says_for_how_long_and_why() -> None:
    """For the person who looks at the failed attempt."""
    faults = TransientFaults(lost_after=600)

    async def ask() -> str:
        await answered(faults, Asked((0.0, REFUSED)))
        await asyncio.sleep(700)
        return (await answered(faults, Asked((0.0, REFUSED)))).message

    text = virtual_time.run(ask())
    assert text == f"the job's state could not be read for 700 s: {REFUSED.message}"


def test_the_silence_of_one_job_is_not_that_of_another() -> None:
    """Each is counted by itself."""
    faults = TransientFaults(lost_after=600)

    async def ask() -> list[int]:
        await answered(faults, Asked((0.0, REFUSED)), job=b"one")
        await asyncio.sleep(700)
        other = await answered(faults, Asked((0.0, REFUSED)), job=b"other")
        one = await answered(faults, Asked((0.0, REFUSED)), job=b"one")
        return [other.phase, one.phase]

    assert virtual_time.run(ask()) == [RUNNING, LOST]


def test_what_is_remembered_is_bounded() -> None:
    """A vendor that is away for a million jobs fills no memory."""
    faults = TransientFaults(lost_after=600)

    async def ask() -> None:
        for number in range(10_050):
            await answered(faults, Asked((0.0, REFUSED)), job=str(number).encode())

    virtual_time.run(ask())
    assert len(faults.failing) == 10_000


TRIES = st.lists(
    st.tuples(
        st.floats(0, 30),
        st.sampled_from([AWAY, RateLimitedError("slow down"), REFUSED, JobNotFoundError("gone")]),
    ),
    min_size=1,
    max_size=8,
)


@given(script=TRIES, timeout=st.none() | st.floats(0.01, 60))
def test_the_answer_comes_within_the_callers_time(
    script: list[tuple[float, ConnectorError]], timeout: float | None
) -> None:
    """However tries end and whatever they take: it has `SHARE` of it, the way back has the rest."""
    faults = TransientFaults(lost_after=600)
    asked = Asked(*script)

    async def ask() -> tuple[pb.Resource, float]:
        began = time.monotonic()
        return await answered(faults, asked, timeout), time.monotonic() - began

    resource, seconds = virtual_time.run(ask())
    assert seconds <= SHARE * (timeout or DEFAULT_TIMEOUT) + 0.01
    assert resource.phase in {RUNNING, LOST}
    assert min(asked.given) > 0
    assert faults.counts.retried == len(asked.tries) - 1
    assert faults.counts.answered + faults.counts.lost == 1
