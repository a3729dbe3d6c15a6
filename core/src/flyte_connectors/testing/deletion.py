"""Cancelling jobs, whatever has become of them."""

from __future__ import annotations

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.testing.harness import Driver, until
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService


class DeletionRules:
    """Rules of `delete`. Flyte repeats one that fails until the end of time."""

    @rule("delete")
    async def test_delete_stops_the_job(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """The service ends it, and `get` says so."""
        job = await start(driver, service, task_request)
        await driver.delete(job.meta)
        await until(lambda: not service.jobs().get(job.id), "the deleted job to stop")
        phase = (await driver.end(job.meta)).phase
        message = f"a deleted job is {Phase(phase).name}"
        assert phase in TERMINAL_PHASES - {Phase.SUCCEEDED}, message

    @rule("delete")
    async def test_delete_can_be_repeated(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Its reply may have been lost."""
        job = await start(driver, service, task_request)
        for _ in range(3):
            await driver.delete(job.meta)

    @rule("delete")
    async def test_a_finished_job_can_be_deleted(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Flyte deletes failed jobs, and a job may end while its delete is under way."""
        job = await start(driver, service, task_request)
        service.complete(job.id)
        ended = await driver.end(job.meta)
        await driver.delete(job.meta)
        phase = (await driver.get(job.meta)).phase
        assert phase == ended.phase, f"its delete made a finished job {Phase(phase).name}"

    @rule("delete")
    async def test_a_lost_job_can_be_deleted(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """What is gone needs no cancelling; an error would make the action undeletable."""
        job = await start(driver, service, task_request)
        service.forget(job.id)
        await driver.delete(job.meta)
