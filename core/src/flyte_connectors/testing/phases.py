"""What `get` reports along a job's life."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import Driver, execution_of
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import (
    ControllableService,
    CountsCalls,
    HasClock,
    HasRemarks,
    HasStates,
)

UNHEARD_OF = "STATE_OF_TOMORROW"
A_DAY = 86400.0


class PhaseRules:
    """Rules of `get`."""

    calls_per_get: ClassVar[int] = 1

    @rule("get")
    async def test_a_running_job_is_not_over(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """A terminal phase is the last that Flyte asks for."""
        job = await start(direct, service, task_request)
        resource = await direct.get(job.meta)
        assert resource.phase not in TERMINAL_PHASES, (
            f"a running job is {_name(resource)}: report a phase that is not terminal"
        )

    @rule("get")
    async def test_a_completed_job_has_succeeded(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """With every output that the task declares, or it would be FAILED."""
        job = await start(driver, service, task_request)
        service.complete(job.id)
        resource = await driver.end(job.meta)
        message = f"a completed job is {_name(resource)}, not SUCCEEDED: {resource.message}"
        assert Phase(resource.phase) is Phase.SUCCEEDED, message

    @rule("get")
    async def test_a_failed_job_has_failed(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """FAILED, or RETRYABLE_FAILED where another attempt may help."""
        job = await start(driver, service, task_request)
        service.fail(job.id)
        resource = await driver.end(job.meta)
        message = f"a failed job is {_name(resource)}: report FAILED or RETRYABLE_FAILED"
        assert Phase(resource.phase) in (Phase.FAILED, Phase.RETRYABLE_FAILED), message

    @rule("get")
    async def test_a_failure_says_why(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """The message is all that a user sees, and a traceback is not one."""
        job = await start(driver, service, task_request)
        service.fail(job.id)
        message = (await driver.end(job.meta)).message
        assert message.strip(), "a failed job has no message: report the service's reason"
        assert "Traceback (most recent call last)" not in message, "report the last line of the traceback"

    @rule("get")
    async def test_a_terminal_phase_stays(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """Replicas and restarted executors poll again, and must get the same answer."""
        job = await start(driver, service, task_request)
        service.complete(job.id)
        first = await driver.end(job.meta)
        for _ in range(3):
            again = await driver.get(job.meta)
            assert again.phase == first.phase, f"{_name(first)} became {_name(again)}: a terminal phase must not change"
            assert again.outputs == first.outputs, "the outputs of a finished job changed between two calls of get"

    @rule("get", service=HasStates)
    async def test_every_state_is_mapped(
        self, direct: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """Including states that the service may add later: an error would end the task."""
        job = await start(direct, service, task_request)
        for state in (*service.states(), UNHEARD_OF):
            service.set_state(job.id, state)
            try:
                resource = await direct.get(job.meta)
            except ConnectorError as error:
                pytest.fail(
                    f"get of a job in state {state!r} failed: {error.message}; report RUNNING for unknown states"
                )
            if state == UNHEARD_OF:
                message = f"a job in an unknown state is {_name(resource)}: report RUNNING"
                assert resource.phase not in TERMINAL_PHASES, message

    @rule("get")
    async def test_a_lost_job_is_not_running(
        self, driver: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """NOT_FOUND, or a failure; otherwise the task would run for ever."""
        job = await start(driver, service, task_request)
        service.forget(job.id)
        try:
            resource = await driver.get(job.meta)
        except ConnectorError as error:
            assert error.code == "NOT_FOUND", f"a lost job gave {error!r}: raise JobNotFoundError"  # noqa: PT017
        else:
            message = f"a lost job is {_name(resource)}: raise JobNotFoundError"
            assert resource.phase in TERMINAL_PHASES - {Phase.SUCCEEDED}, message

    @rule("get")
    async def test_get_changes_nothing(
        self, direct: Driver, service: ControllableService, task_request: pb.CreateTaskRequest
    ) -> None:
        """It may be called at any time, by any client."""
        job = await start(direct, service, task_request)
        before = dict(service.jobs())
        for _ in range(3):
            await direct.get(job.meta)
        assert dict(service.jobs()) == before, "get changed the jobs of the service: it must only read"

    @rule("get", service=HasRemarks)
    async def test_remarks_do_not_end_a_job(
        self, direct: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """Services also report errors that do not end the job; the job's state decides."""
        job = await start(direct, service, task_request)
        before = await direct.get(job.meta)
        service.remark(job.id)
        after = await direct.get(job.meta)
        message = (
            f"an error that did not end the job changed {_name(before)} to {_name(after)}: decide by the job's state"
        )
        assert (before.phase in TERMINAL_PHASES) == (after.phase in TERMINAL_PHASES), message

    @rule("get", service=CountsCalls)
    async def test_get_asks_no_more_than_declared(
        self, direct: Driver, service: Any, task_request: pb.CreateTaskRequest
    ) -> None:
        """Each job is polled every few seconds, and services limit their requests."""
        job = await start(direct, service, task_request)
        await direct.get(job.meta)
        before = service.calls()
        for _ in range(5):
            await direct.get(job.meta)
        calls = (service.calls() - before) / 5
        limit = self.calls_per_get
        assert calls <= limit, f"a get takes {calls:g} requests to the service, more than the declared {limit}"

    @rule("get", service=HasClock)
    async def test_clocks_may_differ(self, direct: Driver, service: Any, task_request: pb.CreateTaskRequest) -> None:
        """The service's clock may differ from this machine's: do not compare their times."""
        lives = {}
        for seconds in (0.0, -A_DAY, A_DAY):
            service.set_clock(seconds)
            job = await start(direct, service, execution_of(task_request))
            is_over = (await direct.get(job.meta)).phase in TERMINAL_PHASES
            service.complete(job.id)
            lives[seconds] = is_over, _name(await direct.end(job.meta))
        message = (
            f"a job's phases depend on how far ahead the service's clock is: {lives}; compare only times of one clock"
        )
        assert len(set(lives.values())) == 1, message

    @rule("get")
    async def test_links_can_be_followed(self, direct: Driver, task_request: pb.CreateTaskRequest) -> None:
        """Flyte's console shows them as they are: absolute http or https addresses."""
        for link in (await direct.get(await direct.create(task_request))).log_links:
            absolute = link.uri.startswith(("http://", "https://"))
            assert absolute, f"the log link {link.name!r} leads to {link.uri!r}: give an absolute http or https URL"


def _name(resource: pb.Resource) -> str:
    return Phase(resource.phase).name
