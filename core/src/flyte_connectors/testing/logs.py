"""Log pages, for connectors with `get_logs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import Driver, until
from flyte_connectors.testing.jobs import start, stop
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService, HasLogs

LINES = [f"line {number}" for number in range(7)]


class LogRules:
    """Rules of `get_logs`."""

    @rule("get_logs", service=HasLogs)
    async def test_pages_make_the_whole_log(
        self, driver: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """Each line once, in order, whatever the size of the pages."""
        job = await start(driver, service, task_request)
        service.write_log(job.id, LINES)
        texts = await driver.log(job.meta, until=LINES[-1])
        message = f"the pages of a log with the lines {LINES} gave {texts}: yield each line once, in order"
        assert _written(texts) == LINES, message

    @rule("get_logs", service=HasLogs)
    async def test_a_token_outlives_new_lines(
        self, driver: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """A reader who follows a log continues where the last page ended."""
        job = await start(driver, service, task_request)
        service.write_log(job.id, LINES[:3])
        texts, token = await driver.log_page(job.meta, lines=2)
        assert token, "the last page of a running job's log has no token: yield one, so that readers can continue"
        service.write_log(job.id, LINES[3:])
        for _ in LINES:
            page, token = await driver.log_page(job.meta, token) if token else ([], "")
            texts += page
        message = f"a log that grew by the lines {LINES} between pages gave {texts}: use tokens that stay valid"
        assert _written(texts) == LINES, message

    @rule("get_logs")
    async def test_a_job_without_lines_has_a_log(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """An empty one; consoles show logs before there are any."""
        job = await start(driver, service, task_request)
        await driver.log_page(job.meta)

    @rule("get_logs")
    async def test_the_log_of_a_finished_job_ends(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Its last page has no token, or readers would never stop."""
        job = await start(direct, service, task_request)
        service.complete(job.id)
        await direct.end(job.meta)
        await until(lambda: not service.jobs().get(job.id), "the job to be over")
        token = ""
        for _ in range(100):
            _, token = await direct.log_page(job.meta, token)
            if not token:
                return
        pytest.fail("the log of a finished job did not end within 100 pages: yield no token after its last page")

    @rule("get_logs", service=HasLogs)
    async def test_the_log_of_a_deleted_job_stays(
        self, driver: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """After an abort, users want to know what the job was doing."""
        job = await start(driver, service, task_request)
        service.write_log(job.id, LINES)
        await stop(driver, service, job)
        texts, _ = await driver.log_page(job.meta)
        assert _written(texts) == LINES, f"the log of a deleted job gave {texts}: keep its lines readable"

    @rule("get_logs")
    async def test_a_bad_token_is_refused(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """As INVALID_ARGUMENT; some page instead would repeat or drop lines."""
        job = await start(driver, service, task_request)
        with pytest.raises(ConnectorError) as caught:
            await driver.log_page(job.meta, "no-token-of-this-log")
        assert caught.value.code == "INVALID_ARGUMENT", (
            f"an invalid token gave {caught.value!r}: raise InvalidRequestError"
        )


def _written(texts: Sequence[str]) -> list[str]:
    """Those of `LINES` that a log has, in its order; a service may add text and lines."""
    return [line for text in texts for line in LINES if line in text]
