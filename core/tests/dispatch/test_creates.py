"""Creates that take longer than their caller waits, fail late, or may not be repeated; on one replica and on two."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_jobs import (
    TASK_TYPE,
    JobConnector,
    JobMeta,
    JobService,
    create_request,
    delete_request,
    get_request,
    logs_request,
    metrics_request,
    until,
)
from flyte_connectors import Phase, Resource
from flyte_connectors._calls.context import current
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch import creates, once_per_key
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import Envelope, seal, unseal
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import (
    ConnectorError,
    ContractError,
    CreateOutcomeUnknownError,
    InvalidRequestError,
    InvalidResourceMetaError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyteidl2.connector import connector_pb2 as pb

REFUSED = "the vendor answers 400: no such queue"


class OwnNames(JobConnector):
    """The vendor chooses the names of jobs: each create is another one."""

    async def create(self, **kwargs: Any) -> Any:  # type: ignore[override]
        await self.service.reached("create", kwargs)
        key = f"own-{len(self.service.jobs)}"
        self.service.jobs[key] = kwargs
        if "reply" in self.service.before:
            await self.service.before["reply"]()
        return JobMeta(key)


class OwnNamesForTask(OwnNames):
    """The vendor takes the name from some tasks only, and not from this one."""

    def repeatable_create(self, task_template: Any) -> bool:
        return task_template.type != TASK_TYPE

    async def create(self, *, idempotency_key: str, **kwargs: Any) -> Any:
        return await super().create(idempotency_key=idempotency_key, **kwargs)


class Replicas:
    """Two replicas of a service, and whatever else asks for the same connector."""

    def __init__(self, connector: JobConnector) -> None:
        self.registry = Registry()
        self.registry.register(connector)
        self.guards: list[CallGuard] = []
        self.one, self.other = self.new(), self.new()

    def new(self, **options: Any) -> Dispatcher:
        guard = CallGuard()
        self.guards.append(guard)
        options.setdefault("faults", TransientFaults(lost_after=60))
        return Dispatcher(self.registry, guard, **options)


@pytest.fixture
async def replicas(service: JobService) -> AsyncIterator[Replicas]:
    """Of a connector whose create may be repeated."""
    replicas = Replicas(JobConnector(service))
    yield replicas
    for guard in replicas.guards:
        await guard.drain(5)


@pytest.fixture(params=[OwnNames, OwnNamesForTask])
async def own_names(service: JobService, request: Any) -> AsyncIterator[Replicas]:
    """Of a connector whose create may not."""
    replicas = Replicas(request.param(service))
    yield replicas
    for guard in replicas.guards:
        await guard.drain(5)


async def late(replica: Dispatcher, service: JobService) -> tuple[bytes, asyncio.Event]:
    """A meta that holds the request of a create that still runs, and what lets that go on."""
    go_on = asyncio.Event()
    service.before["create"] = go_on.wait
    meta = (await replica.create(create_request(), timeout=0.05)).resource_meta
    assert unseal(meta, TASK_TYPE).request
    return meta, go_on


async def failed_late(replica: Dispatcher, service: JobService, error: Exception) -> bytes:
    """The same, when the create has failed."""
    service.faults["create"] = [error]
    meta, go_on = await late(replica, service)
    go_on.set()
    await until(lambda: not replica._creates._runs._running)
    return meta


class TestMayNotBeRepeated:
    """The core never calls such a create twice for one key."""

    async def test_the_reply_waits(self, own_names: Replicas, service: JobService) -> None:
        """Beyond the caller's deadline: an early meta would have another replica start a second job."""
        go_on = asyncio.Event()
        service.before["create"] = go_on.wait
        call = asyncio.ensure_future(own_names.one.create(create_request(), timeout=0.05))
        await asyncio.sleep(0.2)
        assert not call.done()
        go_on.set()
        assert unseal((await call).resource_meta, TASK_TYPE).meta
        assert len(service.jobs) == 1

    async def test_a_replay_gets_the_same_answer(self, own_names: Replicas, service: JobService) -> None:
        """While it runs and after it, also when the first caller has left."""
        go_on = asyncio.Event()
        service.before["create"] = go_on.wait
        first = asyncio.ensure_future(own_names.one.create(create_request()))
        await until(lambda: service.calls["create"])
        first.cancel()
        second = asyncio.ensure_future(own_names.one.create(create_request()))
        await asyncio.sleep(0.01)
        go_on.set()
        metas = {(await second).resource_meta}
        metas |= {(await own_names.one.create(create_request())).resource_meta for _ in range(3)}
        assert len(metas) == 1
        assert service.calls["create"] == 1

    @pytest.mark.parametrize("error", [ServiceUnavailableError("broken off"), RuntimeError("bug")])
    async def test_an_unknown_outcome_is_the_end(
        self, own_names: Replicas, service: JobService, error: Exception
    ) -> None:
        """Neither retried nor replayed; the text says what to do."""
        service.faults["create"] = [error]
        for _ in range(2):
            with pytest.raises(CreateOutcomeUnknownError, match="check the external system before") as caught:
                await own_names.one.create(create_request(), timeout=10)
            assert not caught.value.retryable
        assert service.calls["create"] == 1

    @pytest.mark.parametrize(
        "error",
        [RateLimitedError("slow down"), ServiceUnavailableError("no route", outcome_unknown=False)],
    )
    async def test_what_came_before_the_request_is_retried(
        self, own_names: Replicas, service: JobService, error: ConnectorError
    ) -> None:
        """Nothing can have been started."""
        service.faults["create"] = [error, error]
        await own_names.one.create(create_request(), timeout=10)
        assert service.calls["create"] == 3
        assert len(service.jobs) == 1

    async def test_a_refusal_is_replayed_without_asking(self, own_names: Replicas, service: JobService) -> None:
        """The answer is known, and stays the same object of the same class."""
        service.faults["create"] = [InvalidRequestError(REFUSED, field="custom.queue")]
        for _ in range(2):
            with pytest.raises(InvalidRequestError, match=r"custom\.queue: the vendor answers 400"):
                await own_names.one.create(create_request(), timeout=10)
        assert service.calls["create"] == 1

    async def test_who_asks_again_elsewhere_is_refused(self, own_names: Replicas, service: JobService) -> None:
        """The caller says that it does not know the outcome; this replica does not, either."""
        service.before["reply"] = lambda: asyncio.sleep(0)
        await own_names.one.create(create_request())
        with pytest.raises(CreateOutcomeUnknownError, match="it is not known"):
            await own_names.other.create(create_request(), again=True)
        assert await own_names.one.create(create_request(), again=True)
        assert len(service.jobs) == 1

    async def test_a_meta_that_holds_a_request_starts_nothing(self, own_names: Replicas, service: JobService) -> None:
        """An older release may have written one."""
        held = create_request()
        envelope = Envelope(b"", b"", {}, "run1-a0-0-0123456789abcdef")
        meta = seal(envelope._replace(request=held.SerializeToString()), TASK_TYPE)
        resource = (await own_names.one.get(get_request(meta), timeout=0.2)).resource
        assert resource.phase == Phase.INITIALIZING
        assert "can't repeat a create" in resource.message
        with pytest.raises(ServiceUnavailableError):
            await own_names.one.delete(delete_request(meta), timeout=0.2)
        assert not service.calls

    async def test_a_job_that_nobody_asks_for_is_deleted(
        self, own_names: Replicas, service: JobService, monkeypatch: Any, caplog: Any
    ) -> None:
        """Its caller's deadline was over: a new attempt has a job of its own."""
        monkeypatch.setattr(creates, "_UNCLAIMED_SECONDS", 0.05)
        go_on = asyncio.Event()
        service.before["create"] = go_on.wait
        call = asyncio.ensure_future(own_names.one.create(create_request(), timeout=0.1))
        await asyncio.sleep(0.11)
        call.cancel()  # as gRPC does
        go_on.set()
        await until(lambda: service.deleted)
        assert service.deleted == list(service.jobs)
        await until(lambda: "took longer than its caller's deadline" in caplog.text)
        with pytest.raises(ConnectorError, match="give CreateTask a longer deadline"):
            await own_names.one.create(create_request())
        assert service.calls["create"] == 1
        assert not own_names.one._creates._abandoned

    @pytest.mark.parametrize("is_done", [False, True])
    async def test_who_asks_again_in_time_gets_the_job(
        self, own_names: Replicas, service: JobService, is_done: bool
    ) -> None:
        """As the run loop does, whose own deadline was over; before the job is there or after."""
        go_on = asyncio.Event()
        service.before["create"] = go_on.wait
        call = asyncio.ensure_future(own_names.one.create(create_request(), timeout=0.1))
        await asyncio.sleep(0.11)
        call.cancel()
        await asyncio.sleep(0)
        if is_done:
            go_on.set()
            await until(lambda: service.jobs)
            await asyncio.sleep(0.05)
        second = asyncio.ensure_future(own_names.one.create(create_request(), again=True))
        await asyncio.sleep(0.01)
        go_on.set()
        assert (await second).resource_meta
        assert not service.deleted
        assert not own_names.one._creates._abandoned

    async def test_what_is_remembered_is_bounded(
        self, own_names: Replicas, service: JobService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A service that runs for months fills no memory."""
        monkeypatch.setattr(once_per_key, "REMEMBERED", 10)
        for number in range(20):
            await own_names.one.create(create_request(run=f"run{number}"))
        runs = own_names.one._creates._runs
        assert len(runs._outcomes) == 10
        assert not runs._running


class TestLate:
    """A create that takes longer than its caller waits, where it may be repeated."""

    async def test_another_replica_repeats_it_once(self, replicas: Replicas, service: JobService) -> None:
        """Under the same key; its outcome is remembered there, too."""
        meta, go_on = await late(replicas.one, service)
        go_on.set()
        for _ in range(5):
            resource = (await replicas.other.get(get_request(meta))).resource
            assert resource.phase == Phase.SUCCEEDED
        assert service.calls["create"] == 2
        assert len(service.jobs) == 1

    async def test_a_run_without_a_name_keeps_its_key(self, replicas: Replicas, service: JobService) -> None:
        """Its key is made up, and travels in the meta."""
        go_on = asyncio.Event()
        service.before["create"] = go_on.wait
        request = create_request(run="")
        meta = (await replicas.one.create(request, timeout=0.05)).resource_meta
        go_on.set()
        await replicas.one.get(get_request(meta))
        await replicas.other.get(get_request(meta))
        assert len(service.jobs) == 1

    async def test_get_says_that_it_still_runs(self, replicas: Replicas, service: JobService) -> None:
        """Within its caller's time."""
        meta, go_on = await late(replicas.one, service)
        resource = (await replicas.one.get(get_request(meta), timeout=0.1)).resource
        assert resource.phase == Phase.INITIALIZING
        assert resource.message == "the job is still being created"
        with pytest.raises(ServiceUnavailableError, match="still being created"):
            await replicas.one.delete(delete_request(meta), timeout=0.1)
        go_on.set()

    @pytest.mark.parametrize("replica", ["the same", "another"])
    async def test_delete_leaves_nothing_running(self, replicas: Replicas, service: JobService, replica: str) -> None:
        """Where the create is not known here, it is repeated and its job deleted."""
        meta, go_on = await late(replicas.one, service)
        go_on.set()
        asked = replicas.one if replica == "the same" else replicas.other
        await asked.delete(delete_request(meta))
        await until(lambda: service.jobs)
        assert service.deleted == list(service.jobs)

    async def test_the_log_lines_of_get_are_its_own(self, replicas: Replicas, service: JobService) -> None:
        """The create that a `get` starts has a context of its own."""
        seen: list[Any] = []

        async def look() -> None:
            seen.append(current.get())

        meta, go_on = await late(replicas.one, service)
        go_on.set()
        service.before = {"create": look, "get": look, "delete": look}
        await replicas.other.get(get_request(meta))
        assert [context.verb for context in seen] == ["create", "get"]
        context = current.get()
        assert context is not None
        assert context.verb == "get"
        await replicas.new().delete(delete_request(meta))
        assert [context.verb for context in seen[2:]] == ["create", "delete"]

    async def test_a_passing_fault_is_no_end(self, replicas: Replicas, service: JobService) -> None:
        """The next GetTask repeats the create."""
        away = ServiceUnavailableError("the vendor is down")
        meta, go_on = await late(replicas.one, service)
        service.faults["create"] = [away] * 50
        go_on.set()
        resource = (await replicas.other.get(get_request(meta), timeout=0.5)).resource
        assert (resource.phase, resource.message) == (Phase.INITIALIZING, "the vendor is down")
        service.faults["create"].clear()
        assert (await replicas.other.get(get_request(meta))).resource.phase == Phase.SUCCEEDED
        assert len(service.jobs) == 1

    async def test_a_create_that_never_comes_to_anything_is_lost(self, replicas: Replicas, service: JobService) -> None:
        """After the operator's limit; a new attempt may do better."""
        meta, go_on = await late(replicas.one, service)
        replica = replicas.new(faults=TransientFaults(lost_after=0))
        service.faults["create"] = [ServiceUnavailableError("the vendor is down")] * 50
        go_on.set()
        phases = [(await replica.get(get_request(meta), timeout=0.05)).resource.phase for _ in range(2)]
        assert phases == [Phase.INITIALIZING, Phase.RETRYABLE_FAILED]


class TestFailedLate:
    """A create that failed after its caller had left is an end."""

    @pytest.mark.parametrize(
        ("error", "phase", "text"),
        [
            (InvalidRequestError(REFUSED), Phase.FAILED, REFUSED),
            (PermissionDeniedError("not yours"), Phase.FAILED, "not yours"),
            (RuntimeError("bug"), Phase.RETRYABLE_FAILED, "failed unexpectedly"),
        ],
    )
    @pytest.mark.parametrize("replica", ["the same", "another"])
    async def test_get_tells_it(  # noqa: PLR0913, PLR0917
        self,
        replicas: Replicas,
        service: JobService,
        replica: str,
        error: Exception,
        phase: Phase,
        text: str,
    ) -> None:
        """As often as it is asked; each replica asks the vendor once."""
        meta = await failed_late(replicas.one, service, error)
        asked = replicas.one
        if replica == "another":
            asked, service.faults["create"] = replicas.other, [error]
        for _ in range(3):
            resource = (await asked.get(get_request(meta), timeout=5)).resource
            assert resource.phase == phase
            assert text in resource.message
        assert service.calls["create"] == (1 if replica == "the same" else 2)
        assert not service.calls["get"]

    @pytest.mark.parametrize("faults", [TransientFaults(lost_after=60), None])
    async def test_delete_succeeds(
        self, service: JobService, replicas: Replicas, faults: TransientFaults | None
    ) -> None:
        """There is nothing to cancel, and nothing is sent again, whatever faults are answered with."""
        replica = replicas.new(faults=faults)
        meta = await failed_late(replica, service, InvalidRequestError(REFUSED))
        for _ in range(3):
            await replica.delete(delete_request(meta), timeout=5)
        assert (await replica.get(get_request(meta))).resource.phase == Phase.FAILED
        assert service.calls == {"create": 1}

    async def test_a_meta_that_can_not_be_stored_is_final(self, replicas: Replicas, service: JobService) -> None:
        """A new attempt would end the same way."""
        service.meta = lambda key: key
        meta, go_on = await late(replicas.one, service)
        go_on.set()
        resource = (await replicas.one.get(get_request(meta))).resource
        assert resource.phase == Phase.FAILED
        assert "returned a meta that can't be stored" in resource.message

    async def test_the_replay_of_its_create_is_told(self, replicas: Replicas, service: JobService) -> None:
        """The back end sends it again after a crash of its own."""
        await failed_late(replicas.one, service, InvalidRequestError(REFUSED))
        with pytest.raises(InvalidRequestError, match=REFUSED):
            await replicas.one.create(create_request(), timeout=5)
        assert service.calls["create"] == 1


class TestReadVerbs:
    """Logs and metrics of a job that is being created."""

    @staticmethod
    async def read(replica: Dispatcher, meta: bytes) -> tuple[list[Any], pb.GetTaskMetricsResponse]:
        lines = [item async for item in replica.get_logs(logs_request(meta))]
        return lines, await replica.get_metrics(metrics_request(meta))

    async def test_they_never_create(self, replicas: Replicas, service: JobService) -> None:
        """Empty until the job is known here, on either replica."""
        meta, go_on = await late(replicas.one, service)
        service.lines = ["a line"]
        for replica in (replicas.one, replicas.other):
            assert await self.read(replica, meta) == ([], pb.GetTaskMetricsResponse())
        assert service.calls == {"create": 1}
        go_on.set()
        await replicas.one.get(get_request(meta))
        assert (await self.read(replicas.one, meta))[0]
        assert await self.read(replicas.other, meta) == ([], pb.GetTaskMetricsResponse())
        assert service.calls["create"] == 1

    async def test_a_job_that_failed_has_none(self, replicas: Replicas, service: JobService) -> None:
        """And nothing is sent."""
        meta = await failed_late(replicas.one, service, InvalidRequestError(REFUSED))
        assert await self.read(replicas.one, meta) == ([], pb.GetTaskMetricsResponse())
        assert service.calls == {"create": 1}


KEY = "run1-a0-0-0123456789abcdef"
OTHER_TYPE = create_request()
OTHER_TYPE.template.type = "other"


@pytest.mark.parametrize("verb", ["get", "delete"])
@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(b"", b"", {}, KEY, request=b"\xff\xff"),
        Envelope(b"", b"", {}, KEY, request=OTHER_TYPE.SerializeToString()),
        Envelope(b"", b"", {}, KEY, request=pb.CreateTaskRequest(output_prefix="x").SerializeToString()),
        Envelope(b"", b"", {}, "", request=create_request().SerializeToString()),
        Envelope(b"\xff", b"", {}, KEY),
    ],
    ids=["no message", "another task type", "no template", "no key", "no meta"],
)
async def test_a_hand_made_envelope_is_refused(
    replicas: Replicas, service: JobService, verb: str, envelope: Envelope
) -> None:
    """As an invalid meta; nothing is started."""
    request = {"get": get_request, "delete": delete_request}[verb](seal(envelope, TASK_TYPE))
    with pytest.raises(InvalidResourceMetaError):
        await getattr(replicas.one, verb)(request)
    assert not service.calls


async def test_outputs_by_hand_are_refused(replicas: Replicas, service: JobService) -> None:
    """Also those that are read only when the job has succeeded."""
    service.states = [Resource(Phase.SUCCEEDED, outputs={"n": 1})]
    meta = seal(Envelope(b'{"job": "j"}', b"\xff\xff", {}, KEY), TASK_TYPE)
    with pytest.raises(InvalidResourceMetaError, match="declared outputs can't be read"):
        await replicas.one.get(get_request(meta))


async def test_a_contract_that_is_broken_is_told_as_such(replicas: Replicas, service: JobService) -> None:
    """So that nobody repeats what would end the same way."""
    service.meta = lambda key: key
    with pytest.raises(ContractError) as caught:
        await replicas.one.create(create_request(), timeout=5)
    assert not caught.value.retryable
    assert not caught.value.outcome_unknown
    assert service.calls["create"] == 1


async def test_who_left_is_logged(own_names: Replicas, service: JobService, caplog: pytest.LogCaptureFixture) -> None:
    """With the key that identifies the attempt."""
    caplog.set_level(logging.INFO)
    go_on = asyncio.Event()
    service.before["create"] = go_on.wait
    call = asyncio.ensure_future(own_names.one.create(create_request()))
    await until(lambda: service.calls["create"])
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    go_on.set()
    assert "run1-a0-0-" in caplog.text


async def test_the_reply_to_a_large_request_waits(replicas: Replicas, service: JobService) -> None:
    """It would not fit the meta that an early reply has to hold."""
    go_on = asyncio.Event()
    service.before["create"] = go_on.wait
    request = create_request()
    request.template.custom["text"] = "x" * creates.LARGEST_REQUEST
    call = asyncio.ensure_future(replicas.one.create(request, timeout=0.05))
    await asyncio.sleep(0.2)
    assert not call.done()
    go_on.set()
    assert unseal((await call).resource_meta, TASK_TYPE).meta
    assert service.calls["create"] == 1
