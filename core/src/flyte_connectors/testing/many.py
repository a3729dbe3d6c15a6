"""Rules of `get_many`: the same answers as those of `get`, for fewer requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import Driver, driving, execution_of
from flyte_connectors.testing.jobs import StartedJob, start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService, CountsCalls

JOBS = 6


class GetManyRules:
    """Rules of `get_many`. Polls at the same time are one call of it.

    Attributes:
        calls_per_get_many: Requests that one call of `get_many` may send for six jobs.
    """

    calls_per_get_many: ClassVar[int] = 1

    @rule("get_many")
    async def test_get_many_keeps_the_order(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """The core knows whose answer is whose by its place only."""
        jobs = await _several(direct, service, task_request)
        service.complete(jobs[0].id)
        service.fail(jobs[1].id)
        for order in (jobs, jobs[::-1], jobs[3:] + jobs[:3]):
            before = [(await direct.get(job.meta)).phase for job in order]
            answers = await asyncio.gather(*(direct.get(job.meta) for job in order))
            for job, answer, phase in zip(order, answers, before, strict=True):
                went_on = phase != (await direct.get(job.meta)).phase  # such as one that waits for another's end
                assert answer.phase == phase or went_on, (
                    "get_many answers in another order: return one answer for each of `resource_metas`, in their order"
                )

    @rule("get_many")
    async def test_get_many_answers_as_get_does(
        self,
        connector: Callable[[], Any],
        direct: Driver,
        service: ControllableService,
        task_request: pb.CreateTaskRequest,
    ) -> None:
        """Other hosts of the connector call `get`, and a task must not depend on its host."""
        job = await start(direct, service, task_request)
        async with driving(connector()) as other:
            del other.bound.verbs["get_many"]
            other.connection = direct.connection
            for change in (lambda _: None, service.complete, service.forget):
                change(job.id)
                many, one = await _answer(direct.get(job.meta)), await _answer(other.get(job.meta))
                assert many == one, f"get_many answers {many} where get answers {one}: build both answers in one place"

    @rule("get_many")
    async def test_a_bad_job_spoils_no_other(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """One that the service has lost would hide the state of all others."""
        jobs = await _several(direct, service, task_request)
        service.forget(jobs[0].id)
        calls = (direct.get(job.meta) for job in jobs)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        assert len(errors) <= 1, (
            f"with one lost job among {JOBS}, {len(errors)} got an error ({errors[0]}): return an exception in its place"
        )

    @rule("get_many", service=CountsCalls)
    async def test_get_many_asks_no_more_than_declared(
        self, direct: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """It is there to save requests."""
        jobs = await _several(direct, service, task_request)
        await direct.get(jobs[0].meta)
        before = service.calls()
        await asyncio.gather(*(direct.get(job.meta) for job in jobs))
        sent, limit = service.calls() - before, self.calls_per_get_many
        assert sent <= limit, f"get_many sent {sent} requests for {JOBS} jobs: list them, or set calls_per_get_many"


async def _several(driver: Driver, service: ControllableService, request: pb.CreateTaskRequest) -> list[StartedJob]:
    return [await start(driver, service, execution_of(request)) for _ in range(JOBS)]


async def _answer(call: Awaitable[pb.Resource]) -> str:
    """What is answered about a job, as a text that can be compared."""
    try:
        return str(await call)
    except ConnectorError as error:
        return error.code
