"""Runs that can't poll or cancel their job: the retries, and the messages for their user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
import virtual_time
from fake_jobs import TASK_TYPE, JobConnector, JobService, create_request, delete_request, until
from flyte_connectors import Phase, Resource
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._calls.retries import Retrying
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors._registry.table import Registry
from flyte_connectors.client.job_loop import RunObserver, RunPolicy, run_job
from flyte_connectors.errors import (
    ConnectorError,
    ConnectorNotFoundError,
    ContractError,
    CreateOutcomeUnknownError,
    ServiceUnavailableError,
    TaskFailedError,
)
from flyteidl2.connector import connector_pb2 as pb

AWAY = ServiceUnavailableError("the service is down")
QUICK = RunPolicy(give_up_after=0.3, longest_poll=0.02)
HINT = "flyte-connectors cancel run1"


class Teller(RunObserver):
    """Keeps what its user would read."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, bool]] = []
        self.left: list[tuple[pb.CreateTaskRequest, bytes]] = []

    def not_cancelled(self, text: str, *, is_final: bool) -> None:
        self.texts.append((text, is_final))

    def how_to_cancel(self, request: pb.CreateTaskRequest, resource_meta: bytes) -> str:
        self.left.append((request, resource_meta))
        return HINT


class OwnNames(JobConnector):
    """The vendor chooses the names of jobs."""

    async def create(self, **kwargs: Any) -> Any:  # type: ignore[override]
        return await super().create(idempotency_key=f"own-{len(self.service.jobs)}")


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.fixture
def client(registry: Registry, guard: CallGuard) -> Dispatcher:
    return Dispatcher(registry, guard, local=True)


@pytest.fixture
async def own_names(service: JobService) -> AsyncIterator[Dispatcher]:
    registry, guard = Registry(), CallGuard()
    registry.register(OwnNames(service))
    yield Dispatcher(registry, guard, local=True)
    await guard.drain(5)


class Flaky:
    """A client whose calls fail by a plan before they reach the connectors."""

    def __init__(self, client: Dispatcher, **faults: list[ConnectorError]) -> None:
        self._client = client
        self.faults = faults

    async def create(self, request: pb.CreateTaskRequest, *args: Any, **kwargs: Any) -> Any:
        self._fail("create")
        reply = await self._client.create(request, *args, **kwargs)
        self._fail("reply")
        return reply

    async def get(self, request: pb.GetTaskRequest, *args: Any) -> Any:
        self._fail("get")
        return await self._client.get(request, *args)

    async def delete(self, request: pb.DeleteTaskRequest, *args: Any) -> Any:
        self._fail("delete")
        return await self._client.delete(request, *args)

    def get_logs(self, request: pb.GetTaskLogsRequest) -> Any:
        return self._client.get_logs(request)

    def _fail(self, verb: str) -> None:
        if self.faults.get(verb):
            raise self.faults[verb].pop(0)


class TestAMissingConnector:
    """A replica that is starting may lack a plugin for a while; that is not a lost job."""

    async def test_it_is_waited_for(self, client: Dispatcher, service: JobService) -> None:
        """No new attempt, no second job."""
        missing = ConnectorNotFoundError("no connector serves 'fake_job'")
        flaky = Flaky(client, get=[missing] * 3)
        await run_job(flaky, create_request(), RunPolicy(retries=3, longest_poll=0.02))
        assert len(service.jobs) == 1

    async def test_one_that_stays_away_is_told_with_the_jobs_fate(
        self, client: Dispatcher, service: JobService, teller: Teller, monkeypatch: Any
    ) -> None:
        """The job is cancelled as soon as that works; where it does not, the text says how to do it."""
        missing = ConnectorNotFoundError("no connector serves 'fake_job'")
        with pytest.raises(ConnectorNotFoundError, match="its job was cancelled"):
            await run_job(Flaky(client, get=[missing] * 99), create_request(), QUICK, teller)
        assert service.deleted == list(service.jobs)
        monkeypatch.setattr("flyte_connectors.client.job_loop.CANCEL_SECONDS", 0.2)
        flaky = Flaky(client, get=[missing] * 99, delete=[missing] * 99)
        with pytest.raises(ConnectorNotFoundError, match=f"is NOT cancelled: .*{HINT}"):
            await run_job(flaky, create_request(run="run2"), QUICK, teller)
        assert len(service.jobs) == 2
        assert teller.texts[-1][1]

    async def test_a_create_says_it_at_once(self, client: Dispatcher) -> None:
        """Nothing is lost by that."""
        flaky = Flaky(client, create=[ConnectorNotFoundError("no connector")])
        with pytest.raises(ConnectorNotFoundError):
            await run_job(flaky, create_request(), RunPolicy())


class TestCancelling:
    """A user who leaves is informed at once, and again at the end."""

    @staticmethod
    async def interrupted(client: Any, service: JobService, teller: Teller) -> asyncio.Future[Any]:
        service.states = [Resource(Phase.RUNNING)]
        run = asyncio.ensure_future(run_job(client, create_request(), RunPolicy(), teller))
        await until(lambda: service.calls["get"])
        run.cancel()
        return run

    async def test_that_it_still_runs_is_said_at_once(
        self, client: Dispatcher, service: JobService, teller: Teller
    ) -> None:
        """With the reason, for how long it is tried, and how to do it later; then it is cancelled."""
        flaky = Flaky(client, delete=[AWAY] * 3)
        run = await self.interrupted(flaky, service, teller)
        await until(lambda: teller.texts, 1)
        text, is_final = teller.texts[0]
        assert "is NOT cancelled: the service is down" in text
        assert f"To cancel it later: {HINT} (trying again for 10 s)" in text
        assert not is_final
        with pytest.raises(asyncio.CancelledError):
            await run
        assert service.deleted == list(service.jobs)
        assert len(teller.texts) == 1

    async def test_it_is_tried_for_a_short_time(
        self, client: Dispatcher, service: JobService, teller: Teller, monkeypatch: Any
    ) -> None:
        """And the last text is true."""
        monkeypatch.setattr("flyte_connectors.client.job_loop._CANCEL_BY_USER", 0.5)
        flaky = Flaky(client, delete=[AWAY] * 99)
        began = time.monotonic()
        run = await self.interrupted(flaky, service, teller)
        with pytest.raises(asyncio.CancelledError):
            await run
        assert time.monotonic() - began < 5
        assert [is_final for _, is_final in teller.texts] == [False, True]
        assert teller.texts[-1][0].endswith(f"To cancel it later: {HINT}")
        request, meta = teller.left[0]
        assert request.template.type == TASK_TYPE
        execution = request.task_execution_metadata.task_execution_id.node_execution_id
        assert (execution.execution_id.name, execution.node_id) == ("run1", "a0")
        await client.delete(delete_request(meta))
        assert service.deleted == list(service.jobs)

    async def test_silence_is_told_too(
        self, client: Dispatcher, service: JobService, teller: Teller, monkeypatch: Any
    ) -> None:
        """A service that neither answers nor refuses."""
        monkeypatch.setattr("flyte_connectors.client.cancelling._SILENCE_SECONDS", 0.05)
        go_on = asyncio.Event()
        service.before["delete"] = go_on.wait
        run = await self.interrupted(client, service, teller)
        await until(lambda: teller.texts)
        assert "NOT cancelled: no answer so far" in teller.texts[0][0]
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert len(teller.texts) == 1

    async def test_a_timeout_does_not_claim_what_is_not_so(
        self, client: Dispatcher, service: JobService, teller: Teller, monkeypatch: Any
    ) -> None:
        """The job may still run."""
        monkeypatch.setattr("flyte_connectors.client.job_loop.CANCEL_SECONDS", 0.1)
        service.states = [Resource(Phase.RUNNING)]
        flaky = Flaky(client, delete=[AWAY] * 99)
        policy = RunPolicy(timeout=0.1, longest_poll=0.02)
        with pytest.raises(TaskFailedError, match=r"timed out after 0\.1 s; .* is NOT cancelled"):
            await run_job(flaky, create_request(), policy, teller)

    async def test_a_create_whose_outcome_is_unknown_can_be_cancelled_later(
        self, client: Dispatcher, service: JobService, teller: Teller, monkeypatch: Any
    ) -> None:
        """By a meta that holds the request: whoever deletes it finds the job by its key."""
        monkeypatch.setattr("flyte_connectors.client.job_loop._CREATE_AFTER_CANCEL", 0.1)
        flaky = Flaky(client, reply=[AWAY] * 99)
        run = asyncio.ensure_future(run_job(flaky, create_request(), RunPolicy(), teller))
        await until(lambda: service.jobs)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert "whether the job of 'count' was started is not known" in teller.texts[0][0]
        meta = teller.left[0][1]
        assert unseal(meta, TASK_TYPE).request
        await client.delete(delete_request(meta))
        assert service.deleted == list(service.jobs)


class TestCreates:
    """What is sent again, and what is not."""

    async def test_an_unknown_outcome_ends_the_run(self, own_names: Dispatcher, service: JobService) -> None:
        """One call of a create that may not be repeated, and a text that says what to do."""
        service.faults["create"] = [AWAY]
        with pytest.raises(
            CreateOutcomeUnknownError,
            match="check the external system before you run the task again",
        ):
            await run_job(own_names, create_request(), RunPolicy())
        assert service.calls["create"] == 1

    async def test_a_lost_reply_is_asked_for_again(self, own_names: Dispatcher, service: JobService) -> None:
        """Whoever ran the create knows its job."""
        flaky = Flaky(own_names, reply=[AWAY, AWAY])
        await run_job(flaky, create_request(), QUICK)
        assert service.calls["create"] == 1

    async def test_elsewhere_it_is_not_started_again(
        self, own_names: Dispatcher, service: JobService, guard: CallGuard
    ) -> None:
        """A restarted service, or another replica, knows nothing of it."""
        other = Dispatcher(own_names.registry, guard)
        clients = iter([own_names, other])

        class Balanced(Flaky):
            async def create(self, request: pb.CreateTaskRequest, *args: Any, **kw: Any) -> Any:
                self._client = next(clients)
                return await super().create(request, *args, **kw)

        with pytest.raises(CreateOutcomeUnknownError, match="it is not known"):
            await run_job(Balanced(own_names, reply=[AWAY]), create_request(), RunPolicy())
        assert len(service.jobs) == 1

    async def test_what_was_not_sent_is_sent_again(self, own_names: Dispatcher, service: JobService) -> None:
        """As the first time."""
        refused = ServiceUnavailableError("connection refused", outcome_unknown=False)
        await run_job(Flaky(own_names, create=[refused] * 2), create_request(), RunPolicy())
        assert len(service.jobs) == 1

    async def test_a_deterministic_fault_is_not_repeated(self, client: Dispatcher, service: JobService) -> None:
        """A meta that can't be stored costs one job, which is deleted, not six."""
        service.meta = lambda key: key
        with pytest.raises(ContractError, match="can't be stored"):
            await run_job(client, create_request(), RunPolicy())
        assert service.calls["create"] == 1


def in_virtual_time(test: Coroutine[Any, Any, None]) -> None:
    virtual_time.run(test)


class TestGivingUp:
    """Only time in which somebody was asked counts."""

    @staticmethod
    async def _asked_for(seconds: float, *, sleeps: float = 0.0) -> tuple[float, int]:
        """How long, and how often, is asked in vain; the machine sleeps once, in a pause or a call."""
        loop = asyncio.get_running_loop()
        began, calls = loop.time(), 0

        async def ask() -> None:
            nonlocal calls
            calls += 1
            if calls == 3 and sleeps:
                loop._clock.now += sleeps  # type: ignore[attr-defined]
            raise AWAY

        with pytest.raises(ServiceUnavailableError):
            await Retrying(seconds).call(ask)
        return loop.time() - began, calls

    def test_a_sleeping_machine_loses_no_time(self) -> None:
        """It goes on where it was, for as long as without the sleep."""

        async def compare() -> None:
            awake, calls = await self._asked_for(60)
            assert 50 < awake <= 61
            slept, calls_of_sleeper = await self._asked_for(60, sleeps=8 * 3600)
            assert 8 * 3600 + 50 < slept <= 8 * 3600 + 63
            assert abs(calls - calls_of_sleeper) <= 5

        in_virtual_time(compare())

    def test_the_time_is_a_setting(self) -> None:
        """Hours without the vendor cost no job."""

        async def ask() -> None:
            seconds, _ = await self._asked_for(2 * 3600)
            assert seconds > 1.9 * 3600

        in_virtual_time(ask())

    def test_no_timer_is_left(self) -> None:
        """Nor any made where nothing fails."""

        async def ask() -> None:
            loop = asyncio.get_running_loop()
            retrying = Retrying(60)

            async def answer() -> int:
                return 3

            assert await retrying.call(answer) == 3
            assert retrying._clock is None
            await self._asked_for(5)
            assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

        in_virtual_time(ask())

    async def test_giving_up_says_what_became_of_the_job(self, client: Dispatcher, service: JobService) -> None:
        """Nobody has to guess whether it still runs."""
        service.faults["get"] = [ServiceUnavailableError("away") for _ in range(99)]
        with pytest.raises(ServiceUnavailableError, match=r"^away; its job was cancelled$"):
            await run_job(client, create_request(), QUICK)
        assert len(service.deleted) == 1
