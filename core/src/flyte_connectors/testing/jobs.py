"""A job that runs: the bytes that Flyte knows it by, and the id that the service does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from flyte_connectors.testing.harness import until

if TYPE_CHECKING:
    from flyteidl2.connector import connector_pb2 as pb

    from flyte_connectors.testing.harness import Driver
    from flyte_connectors.testing.service import ControllableService


class StartedJob(NamedTuple):
    """A job.

    Attributes:
        meta: Its resource meta.
        id: Its id in the service.
    """

    meta: bytes
    id: str


async def start(driver: Driver, service: ControllableService, request: pb.CreateTaskRequest) -> StartedJob:
    """Start a job that runs until the test ends it."""
    before = set(service.jobs())
    meta = await driver.create(request)
    new = await until(lambda: set(service.jobs()) - before, "the service to know the new job")
    assert len(new) == 1, f"one create started {len(new)} jobs, not one"
    return StartedJob(meta, new.pop())


async def stop(driver: Driver, service: ControllableService, job: StartedJob) -> None:
    """Delete a job, and wait for its end; whether that comes is another rule's matter."""
    await driver.delete(job.meta)
    with contextlib.suppress(AssertionError):
        await until(lambda: not service.jobs().get(job.id), "the deleted job to stop")
