"""Errors, as the caller sees them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import RETRYABLE, Driver, until
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService, RefusesCalls

CODES = {
    401: {"UNAUTHENTICATED"},
    403: {"PERMISSION_DENIED"},
    404: {"NOT_FOUND"},
    429: RETRYABLE,
    500: RETRYABLE,
    502: RETRYABLE,
    503: RETRYABLE,
    504: RETRYABLE,
}
"""The codes that an HTTP status may become (https://grpc.io/docs/guides/status-codes/)."""

DEADLINE_SECONDS, SLACK_SECONDS = 0.2, 1.0
PATIENCE_OF_GET_SECONDS = 3.0


class ErrorRules:
    """Rules of errors."""

    @rule()
    async def test_bad_requests_name_the_field(
        self, driver: Driver, refused_requests: Mapping[str, pb.CreateTaskRequest]
    ) -> None:
        """Users can only fix errors that name the field, before the job costs something."""
        for field, request in refused_requests.items():
            with pytest.raises(ConnectorError) as caught:
                await driver.create(request)
            error = caught.value
            assert error.code == "INVALID_ARGUMENT", f"an invalid {field} gave {error!r}: raise InvalidRequestError"
            words = {word.strip("'\"`.,:;()") for word in error.message.split()}
            assert field in words, f"the error of an invalid {field} is {error.message!r}: pass field={field!r} to it"

    @rule("get")
    async def test_get_of_a_service_that_is_away_can_be_retried(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """ServiceUnavailableError: anything else would end the task for a transient error."""
        job = await start(driver, service, task_request)
        service.go_away()
        with pytest.raises(ConnectorError) as caught:
            await driver.get(job.meta, timeout=2)
        assert caught.value.code in RETRYABLE, f"get raised {caught.value!r}: raise ServiceUnavailableError"

    @rule("create")
    async def test_create_on_a_service_that_is_away_can_be_retried(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """ServiceUnavailableError, which the core retries within the caller's time."""
        service.go_away()
        with pytest.raises(ConnectorError) as caught:
            await direct.create(task_request)
        assert caught.value.code in RETRYABLE, f"create raised {caught.value!r}: raise ServiceUnavailableError"

    @rule("get", service=RefusesCalls)
    async def test_refusals_keep_their_meaning(
        self, driver: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """Refused credentials, missing jobs and transient errors each have their class."""
        job = await start(driver, service, task_request)
        for status, codes in CODES.items():
            service.refuse(status)
            with pytest.raises(ConnectorError) as caught:
                await driver.get(job.meta, timeout=PATIENCE_OF_GET_SECONDS)
            message = f"status {status} became {caught.value!r}, not {' or '.join(sorted(codes))}"
            assert caught.value.code in codes, message

    @rule("get")
    async def test_a_cancelled_call_ends(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """With every task that it has started."""
        job = await start(driver, service, task_request)
        await driver.get(job.meta)
        before = len(asyncio.all_tasks())
        service.hang()
        call = asyncio.ensure_future(driver.get(job.meta))
        await asyncio.wait({call}, timeout=DEADLINE_SECONDS)
        assert not call.done(), "get answered although the service hangs: does `hang` affect the connector's calls?"
        call.cancel()
        # gRPC's server has its own tasks, whose number does not grow.
        await until(lambda: len(asyncio.all_tasks()) <= before, "the tasks of a cancelled get to end")

    @rule("get")
    async def test_a_deadline_is_kept(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """A service that hangs must not hold its callers; cancellation is never swallowed."""
        job = await start(direct, service, task_request)
        service.hang()
        loop = asyncio.get_running_loop()
        started = loop.time()
        with contextlib.suppress(ConnectorError):
            await direct.get(job.meta, timeout=DEADLINE_SECONDS)
            pytest.fail("get answered although the service hangs: does `hang` affect the connector's calls?")
        seconds = loop.time() - started
        limit = DEADLINE_SECONDS + SLACK_SECONDS
        assert seconds < limit, f"get took {seconds:.1f} s, of {DEADLINE_SECONDS:g} allowed: let CancelledError through"
