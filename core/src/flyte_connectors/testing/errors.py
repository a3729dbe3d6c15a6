"""What goes wrong, and how the caller learns of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import Driver
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService

RETRYABLE = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}
"""Codes after which the same call may succeed."""

DEADLINE_SECONDS, SLACK_SECONDS = 0.2, 1.0


class ErrorRules:
    """Rules of errors."""

    @rule()
    async def test_bad_requests_name_the_field(
        self, driver: Driver, refused_requests: Mapping[str, pb.CreateTaskRequest]
    ) -> None:
        """Users can mend only what they are told."""
        for field, request in refused_requests.items():
            try:
                await driver.create(request)
            except ConnectorError as error:
                named = field.rpartition(".")[2]
                assert named in error.message, f"the error of a bad {field} is {error.message!r}"  # noqa: PT017
                refused = error.code == "INVALID_ARGUMENT"
                assert refused, f"a bad {field} gave {error.code}"  # noqa: PT017

    @rule("get")
    async def test_get_of_a_service_that_is_away_can_be_retried(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """ServiceUnavailableError: anything else would end the task for a passing fault."""
        job = await start(driver, service, task_request)
        service.go_away()
        with pytest.raises(ConnectorError) as caught:
            await driver.get(job.meta, timeout=2)
        assert caught.value.code in RETRYABLE, f"get gave {caught.value!r}"

    @rule("create")
    async def test_create_on_a_service_that_is_away_can_be_retried(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """ServiceUnavailableError, which the core retries within the caller's time."""
        service.go_away()
        with pytest.raises(ConnectorError) as caught:
            await direct.create(task_request)
        assert caught.value.code in RETRYABLE, f"create gave {caught.value!r}"

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
            pytest.fail("get answered although the service hangs: does `hang` reach the connector?")
        seconds = loop.time() - started
        limit = DEADLINE_SECONDS + SLACK_SECONDS
        assert seconds < limit, f"get took {seconds:.1f} s, of {DEADLINE_SECONDS:g} allowed"
