"""The shared call path: requests in, replies out, and no job left behind by a bad one."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import pickle
from typing import Any

import pytest
from fake_jobs import (
    TASK_TYPE,
    JobMeta,
    JobService,
    create_request,
    delete_request,
    get_request,
    logs_request,
    metrics_request,
    template,
    until,
)
from flyte_connectors import Phase, Resource, SyncConnector
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    ConnectorNotFoundError,
    InternalError,
    InvalidRequestError,
    InvalidResourceMetaError,
    JobNotFoundError,
    RateLimitedError,
    ServiceUnavailableError,
    UnsupportedVerbError,
)
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.literals_pb2 import Literal

CANARY = "cAnAry-0815"


class TestCreate:
    """Starting jobs."""

    async def test_the_connector_gets_the_whole_request(self, dispatcher: Dispatcher, service: JobService) -> None:
        """Template, native inputs, prefix and metadata, and the attempt's key."""
        task = template({"rows": int, "name": str}, {"count": int}, custom={"endpoint": "e"})
        request = create_request(task, values={"rows": 3, "name": "n"}, run="run7", attempt=2)
        await dispatcher.create(request)
        (key, given), *_ = service.jobs.items()
        assert key.startswith("run7-a0-2-")
        assert given["inputs"] == {"rows": 3, "name": "n"}
        assert given["task_template"].custom["endpoint"] == "e"
        assert given["output_prefix"] == "file:///nowhere"
        assert given["task_execution_metadata"].task_execution_id.retry_attempt == 2

    async def test_the_same_request_is_the_same_job(self, dispatcher: Dispatcher, service: JobService) -> None:
        """Once more, at the same time, and after a lost reply; another attempt is another job."""
        first = await dispatcher.create(create_request())
        others = await asyncio.gather(*(dispatcher.create(create_request()) for _ in range(3)))
        assert {reply.resource_meta for reply in others} == {first.resource_meta}
        assert len(service.jobs) == 1
        await dispatcher.create(create_request(attempt=1))
        assert len(service.jobs) == 2

    async def test_a_started_create_finishes_without_its_caller(
        self, dispatcher: Dispatcher, service: JobService
    ) -> None:
        """A client's cancellation does not leave a job half submitted."""
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            reached.set()
            await go_on.wait()

        service.before["create"] = wait
        call = asyncio.ensure_future(dispatcher.create(create_request()))
        await reached.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not service.jobs
        go_on.set()
        await until(lambda: service.jobs)

    @pytest.mark.parametrize("replica", ["the same", "another"])
    async def test_a_late_create_is_answered_in_time(
        self, dispatcher: Dispatcher, service: JobService, replica: str
    ) -> None:
        """It goes on, and what the caller got leads any replica to its one job."""
        go_on = asyncio.Event()
        service.before["create"] = go_on.wait
        meta = (await dispatcher.create(create_request(), timeout=0.1)).resource_meta
        assert not service.jobs
        go_on.set()
        guard = CallGuard()
        asked = dispatcher if replica == "the same" else Dispatcher(dispatcher.registry, guard)
        await until(lambda: service.jobs)
        assert (await asked.get(get_request(meta))).resource.phase == Phase.SUCCEEDED
        await asked.delete(delete_request(meta))
        assert service.deleted == list(service.jobs)
        assert len(service.jobs) == 1
        await guard.drain(5)

    async def test_connectors_that_ask_for_less_get_less(self, guard: CallGuard) -> None:
        """A plain function with one argument will do."""

        class Small(SyncConnector):
            task_type_name = "small"

            def do(self, inputs: Any) -> Resource:
                return Resource(Phase.SUCCEEDED, outputs={"twice": inputs["n"] * 2})

        registry = Registry()
        registry.register(Small)
        task = template({"n": int}, {"twice": int}, task_type="small")
        reply = await Dispatcher(registry, guard).create(create_request(task, values={"n": 4}))
        assert reply.resource_meta


class TestBadRequests:
    """Each gets a clear error, and none reaches the job service."""

    @staticmethod
    def _request(**changes: Any) -> pb.CreateTaskRequest:
        request = create_request(template({"rows": int}), values={"rows": 1})
        for name, value in changes.items():
            setattr(request.template, name, value)
        return request

    @pytest.mark.parametrize("changes", [{"type": "other"}, {"type": ""}, {"task_type_version": 9}])
    async def test_an_unknown_type_or_version(
        self, dispatcher: Dispatcher, service: JobService, changes: dict[str, Any]
    ) -> None:
        """The known ones are listed."""
        with pytest.raises(ConnectorNotFoundError, match=f"known: '{TASK_TYPE}' version 0"):
            await dispatcher.create(self._request(**changes))
        assert not service.calls

    @pytest.mark.parametrize("values", [{}, {"rows": "1"}, {"rows": 1, "more": 2}, {"other": 1}])
    async def test_wrong_inputs(self, dispatcher: Dispatcher, service: JobService, values: dict[str, Any]) -> None:
        """Missing, of the wrong type, undeclared."""
        with pytest.raises(InvalidRequestError, match=r"^inputs\.(rows|more): "):
            await dispatcher.create(create_request(template({"rows": int}), values=values))
        assert not service.calls

    async def test_a_pickled_input(self, dispatcher: Dispatcher, service: JobService, tmp_path: Any) -> None:
        """Nothing is unpickled: no code comes from the wire."""
        marker = tmp_path / "marker"

        class Attack:
            def __reduce__(self) -> Any:
                return open, (str(marker), "w")

        literal = Literal()
        literal.scalar.binary.value = pickle.dumps(Attack())
        literal.scalar.binary.tag = "PythonPickle"
        request = self._request()
        request.inputs.literals[0].value.CopyFrom(literal)
        with pytest.raises(InvalidRequestError, match=r"^inputs\.rows: "):
            await dispatcher.create(request)
        assert not service.calls
        assert not marker.exists()

    @pytest.mark.parametrize("table", ["s", {"password": 3}])
    async def test_a_bad_table_of_secrets(self, dispatcher: Dispatcher, service: JobService, table: Any) -> None:
        """The back end wants strings there, too."""
        with pytest.raises(InvalidRequestError, match=r"custom\.secrets: must map"):
            await dispatcher.create(create_request(template(custom={"secrets": table})))
        assert not service.calls

    @pytest.mark.parametrize("is_table", [True, False])
    async def test_a_table_of_secrets_without_a_value(
        self, dispatcher: Dispatcher, service: JobService, is_table: bool
    ) -> None:
        """Protobuf has values of no kind; whoever reads one gets an error of its own."""
        task = template()
        unset = task.custom.fields["secrets"]
        if is_table:
            unset.struct_value.fields["password"].SetInParent()
        with pytest.raises(InvalidRequestError, match=r"custom\.secrets: must map"):
            await dispatcher.create(create_request(task))
        assert not service.calls

    async def test_an_unknown_secret(self, dispatcher: Dispatcher, service: JobService) -> None:
        """It is missed before anything is started."""
        with pytest.raises(AuthenticationError, match="secret 'db' was not sent and is not mounted"):
            await dispatcher.create(create_request(template(custom={"secrets": {"password": "db"}})))
        assert not service.calls


class TestMeta:
    """The bytes that identify a job."""

    async def test_a_bare_meta_is_read(self, dispatcher: Dispatcher) -> None:
        """As an older release or the official service wrote it."""
        reply = await dispatcher.get(get_request(b'{"job": "j", "from_the_future": 1}'))
        assert reply.resource.phase == Phase.SUCCEEDED

    @pytest.mark.parametrize("verb", ["get", "delete", "get_metrics", "get_logs"])
    @pytest.mark.parametrize("damage", ["empty", "truncated", "foreign", "junk", "other JSON"])
    async def test_other_bytes_are_refused(
        self, dispatcher: Dispatcher, service: JobService, verb: str, damage: str
    ) -> None:
        """By every verb that takes them, with the field named and the service untouched."""
        good = (await dispatcher.create(create_request())).resource_meta
        service.calls.clear()
        data = {
            "empty": b"",
            "truncated": good[:-3],
            "foreign": good[:-4] + b"\0\0\0\0",
            "junk": b"\xff\x00junk",
            "other JSON": b'{"id": 3}',
        }[damage]
        request = {
            "get": get_request,
            "delete": delete_request,
            "get_metrics": metrics_request,
            "get_logs": logs_request,
        }[verb](data)
        with pytest.raises(InvalidResourceMetaError, match=r"^resource_meta: "):  # noqa: PT012  (one of two calls)
            if verb == "get_logs":
                _ = [item async for item in dispatcher.get_logs(request)]
            else:
                await getattr(dispatcher, verb)(request)
        assert not service.calls

    @pytest.mark.parametrize(
        "meta",
        [
            lambda key: JobMeta(job=object()),
            lambda key: JobMeta(job=3),
            lambda key: key,
            lambda key: None,
        ],
    )
    async def test_a_meta_that_can_not_be_stored_costs_no_job(
        self,
        dispatcher: Dispatcher,
        service: JobService,
        meta: Any,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Nobody could ever ask for its job: it is deleted, and the author learns why."""
        service.meta = meta
        with pytest.raises(InternalError, match="returned a meta that can't be stored"):
            await dispatcher.create(create_request())
        assert service.calls["delete"] == 1 or "could not delete" in caplog.text

    async def test_a_meta_with_a_secret_in_it_is_not_stored(self, dispatcher: Dispatcher, service: JobService) -> None:
        """Flyte stores and logs metas."""
        service.meta = lambda key: JobMeta(job=f"https://user:{CANARY}@host/{key}")
        request = create_request(
            template(custom={"secrets": {"password": "db"}}),
            connection={"secrets": {"password": CANARY}},
        )
        with pytest.raises(InternalError, match="it holds a secret") as caught:
            await dispatcher.create(request)
        assert CANARY not in caught.value.message
        assert len(service.deleted) == 1

    async def test_the_reason_shows_no_secret(self, dispatcher: Dispatcher, service: JobService) -> None:
        """Nor does the text of whatever went wrong while it was encoded."""

        class Chatty(JobMeta):
            def encode(self) -> bytes:
                raise ValueError(f"can't encode {CANARY}")

        service.meta = lambda key: Chatty(job=key)
        request = create_request(connection={"secrets": {"password": CANARY}})
        with pytest.raises(InternalError, match="can't be stored") as caught:
            await dispatcher.create(request)
        assert CANARY not in caught.value.message


class TestGetAndDelete:
    """Asking about jobs, and ending them."""

    async def test_outputs_are_typed_by_what_create_saw(self, dispatcher: Dispatcher, service: JobService) -> None:
        """GetTask carries no interface: the declared outputs travel in the meta."""
        reply = await dispatcher.create(create_request(template(outputs={"share": float})))
        service.states = [Resource(Phase.SUCCEEDED, outputs={"share": 3})]
        resource = (await dispatcher.get(get_request(reply.resource_meta))).resource
        assert resource.outputs.literals[0].value.scalar.primitive.float_value == 3.0

    async def test_the_output_prefix_reaches_get(self, dispatcher: Dispatcher, service: JobService) -> None:
        """A connector may look there for what the job wrote."""
        meta = (await dispatcher.create(create_request())).resource_meta
        await dispatcher.get(get_request(meta, output_prefix="s3://bucket/out"))
        assert service.arguments["get"]["output_prefix"] == "s3://bucket/out"

    async def test_a_lost_job_is_told_by_get(self, dispatcher: Dispatcher, service: JobService) -> None:
        """As the connector says it."""
        service.faults["get"] = [JobNotFoundError("gone")]
        with pytest.raises(JobNotFoundError, match="gone"):
            await dispatcher.get(get_request(b'{"job": "j"}'))

    async def test_a_job_that_is_gone_is_deleted(self, dispatcher: Dispatcher, service: JobService) -> None:
        """Else the back end would try for ever, and nobody could remove the action."""
        service.faults["delete"] = [JobNotFoundError("gone")]
        assert await dispatcher.delete(delete_request(b'{"job": "j"}')) == pb.DeleteTaskResponse()

    async def test_a_failing_delete_is_told(self, dispatcher: Dispatcher, service: JobService) -> None:
        """So that it is tried again."""
        service.faults["delete"] = [ServiceUnavailableError("away")]
        with pytest.raises(ServiceUnavailableError):
            await dispatcher.delete(delete_request(b'{"job": "j"}'), timeout=0.01)

    @pytest.mark.parametrize("verb", ["create", "delete"])
    async def test_a_passing_fault_is_tried_again(self, dispatcher: Dispatcher, service: JobService, verb: str) -> None:
        """Both verbs are idempotent, and to the back end any error of them is a failure."""
        service.faults[verb] = [ServiceUnavailableError("away"), RateLimitedError("slow down")]
        request = create_request() if verb == "create" else delete_request(b'{"job": "j"}')
        await getattr(dispatcher, verb)(request, timeout=10)
        assert service.calls[verb] == 3
        assert len(service.jobs) == (verb == "create")


class TestSecrets:
    """On every call, and nowhere else."""

    @staticmethod
    def _task() -> Any:
        return template(custom={"secrets": {"password": "db"}})

    async def test_every_verb_gets_what_the_task_names(
        self, dispatcher: Dispatcher, service: JobService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Looked up here when the back end does not send it, also long after create."""
        monkeypatch.setenv("FLYTE_SECRET_DB", CANARY)
        meta = (await dispatcher.create(create_request(self._task()))).resource_meta
        assert CANARY.encode() not in meta
        await dispatcher.get(get_request(meta))
        await dispatcher.delete(delete_request(meta))
        await dispatcher.get_metrics(metrics_request(meta))
        _ = [item async for item in dispatcher.get_logs(logs_request(meta))]
        for verb in ("create", "get", "delete", "get_metrics", "get_logs"):
            assert service.arguments[verb]["password"] == CANARY
            assert CANARY not in repr(service.arguments[verb])

    async def test_what_is_sent_wins(self, dispatcher: Dispatcher, service: JobService) -> None:
        """And configs come beside."""
        connection = {"secrets": {"password": CANARY}, "configs": {"region": "eu"}}
        await dispatcher.create(create_request(self._task(), connection=connection))
        assert service.arguments["create"]["password"] == CANARY
        assert service.arguments["create"]["region"] == "eu"

    @pytest.mark.parametrize("name", ["inputs", "self", "resource_meta", "idempotency_key", "token"])
    @pytest.mark.parametrize("table", ["secrets", "configs"])
    async def test_a_name_that_is_taken_is_refused(
        self, dispatcher: Dispatcher, service: JobService, name: str, table: str
    ) -> None:
        """A secret called `inputs` is a clear error, not a TypeError, and replaces nothing."""
        request = create_request(connection={table: {name: "x"}})
        with pytest.raises(InvalidRequestError, match=rf"{name}: this name is taken"):
            await dispatcher.create(request)
        assert not service.calls

    async def test_a_config_can_not_shadow_a_secret(self, dispatcher: Dispatcher, service: JobService) -> None:
        """Neither one that was sent nor one that the task names."""
        for sent in (
            {"secrets": {"password": "s"}, "configs": {"password": "c"}},
            {"configs": {"password": "c"}},
        ):
            with pytest.raises(InvalidRequestError, match="password"):
                await dispatcher.create(create_request(self._task(), connection=sent))
        assert not service.calls

    @pytest.mark.parametrize("error", [RateLimitedError, RuntimeError])
    async def test_no_error_shows_them(
        self, dispatcher: Dispatcher, service: JobService, error: type[Exception]
    ) -> None:
        """Whatever a connector puts into its texts."""
        service.faults["create"] = [error(f"login with {CANARY} failed")]
        request = create_request(self._task(), connection={"secrets": {"password": CANARY}})
        with pytest.raises(ConnectorError) as caught:
            await dispatcher.create(request, timeout=0.01)
        assert CANARY not in str(caught.value)

    async def test_log_lines_of_a_call_are_masked_by_the_filter(
        self, dispatcher: Dispatcher, service: JobService, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The traceback of an unforeseen error, too."""
        from flyte_connectors._calls.log_filter import RedactingFilter

        caplog.handler.addFilter(RedactingFilter())
        caplog.set_level(logging.DEBUG)
        service.faults["create"] = [RuntimeError(CANARY)]
        request = create_request(connection={"secrets": {"password": CANARY}})
        with pytest.raises(InternalError):
            await dispatcher.create(request)
        assert "RuntimeError" in caplog.text
        assert CANARY not in caplog.text


class TestObserving:
    """Logs and metrics."""

    async def test_a_page_of_the_log(self, dispatcher: Dispatcher, service: JobService) -> None:
        """Token and page size reach the connector, lines and the next token come back."""
        service.lines = [f"line {number}" for number in range(25)]
        request = logs_request(b'{"job": "j"}', token="10", lines=7)
        items = [item async for item in dispatcher.get_logs(request)]
        assert [item.message for item in items[:-1]] == service.lines[10:20]
        assert items[-1].header.token == "20"
        assert service.arguments["get_logs"]["lines"] == 7

    async def test_metrics_get_queries_and_range(self, dispatcher: Dispatcher, service: JobService) -> None:
        """As native values, in UTC; None where the request has none."""
        request = metrics_request(b'{"job": "j"}', queries=["cpu"])
        request.start_time.FromDatetime(dt.datetime(2026, 1, 1))  # noqa: DTZ001  (as protobuf takes it)
        request.step.FromTimedelta(dt.timedelta(seconds=30))
        await dispatcher.get_metrics(request)
        given = service.arguments["get_metrics"]
        assert given["queries"] == ["cpu"]
        assert given["start_time"] == dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
        assert given["end_time"] is None
        assert given["step"] == dt.timedelta(seconds=30)

    @pytest.mark.parametrize("verb", ["get_logs", "get_metrics"])
    async def test_errors_are_mapped_as_elsewhere(self, dispatcher: Dispatcher, service: JobService, verb: str) -> None:
        """An unknown task type is NOT_FOUND for logs and metrics, too; a fault of the connector INTERNAL."""
        service.faults[verb] = [RuntimeError("x")]
        for category, error in ((TASK_TYPE, InternalError), ("other", ConnectorNotFoundError)):
            fields = {"resource_meta": b'{"job": "j"}', "task_category": {"name": category}}
            with pytest.raises(error):  # noqa: PT012  (one of two calls)
                if verb == "get_logs":
                    _ = [x async for x in dispatcher.get_logs(pb.GetTaskLogsRequest(**fields))]
                else:
                    await dispatcher.get_metrics(pb.GetTaskMetricsRequest(**fields))

    async def test_metadata_is_answered_from_memory(self, dispatcher: Dispatcher, service: JobService) -> None:
        """No connector is asked."""
        (entry,) = dispatcher.list_connectors().connectors
        assert dispatcher.get_connector("Fake Jobs") == entry
        assert [category.name for category in entry.supported_task_categories] == [TASK_TYPE]
        with pytest.raises(ConnectorNotFoundError, match="no connector is named 'other'"):
            dispatcher.get_connector("other")
        assert not service.calls


class Count(SyncConnector):
    task_type_name = "count"

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    async def do(self, **kwargs: Any) -> Any:
        return self.answer


class TestSyncConnectors:
    """Answers at once, through CreateTask and GetTask."""

    @staticmethod
    def _dispatcher(guard: CallGuard, answer: Any) -> Dispatcher:
        registry = Registry()
        registry.register(Count(answer))
        return Dispatcher(registry, guard)

    @staticmethod
    def _get(meta: bytes) -> pb.GetTaskRequest:
        return pb.GetTaskRequest(resource_meta=meta, task_category={"name": "count"})

    @pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.RETRYABLE_FAILED])
    async def test_the_answer_travels_in_the_meta(self, guard: CallGuard, phase: Phase) -> None:
        """Any replica can give it out again; deleting it is nothing."""
        dispatcher = self._dispatcher(guard, Resource(phase, "done", outputs={"n": 3}))
        request = create_request(template(outputs={"n": int}, task_type="count"))
        meta = (await dispatcher.create(request)).resource_meta
        resource = (await dispatcher.get(self._get(meta))).resource
        assert (resource.phase, resource.message) == (phase, "done")
        assert bool(resource.outputs.literals) is (phase is Phase.SUCCEEDED)
        delete = pb.DeleteTaskRequest(resource_meta=meta, task_category={"name": "count"})
        assert await dispatcher.delete(delete) == pb.DeleteTaskResponse()

    @pytest.mark.parametrize("answer", [Resource(Phase.RUNNING), Resource(Phase.QUEUED), None])
    async def test_an_unfinished_answer_is_refused(self, guard: CallGuard, answer: Any) -> None:
        """Nobody could poll it."""
        with pytest.raises(InternalError):
            await self._dispatcher(guard, answer).create(create_request(template(task_type="count")))

    async def test_a_meta_without_an_answer_is_refused(self, guard: CallGuard) -> None:
        """Bytes of somebody else."""
        dispatcher = self._dispatcher(guard, Resource(Phase.SUCCEEDED))
        with pytest.raises(InvalidResourceMetaError, match="resource_meta"):
            await dispatcher.get(self._get(b'{"job": "j"}'))

    async def test_it_has_no_logs(self, guard: CallGuard) -> None:
        """A clear error, not an unknown one."""
        dispatcher = self._dispatcher(guard, Resource(Phase.SUCCEEDED))
        request = pb.GetTaskLogsRequest(resource_meta=b"m", task_category={"name": "count"})
        with pytest.raises(UnsupportedVerbError, match="does not support get_logs"):
            _ = [item async for item in dispatcher.get_logs(request)]


async def test_the_envelope_carries_what_later_calls_need(dispatcher: Dispatcher) -> None:
    """Key, names of secrets and declared outputs; the connector's own bytes beside."""
    task = template(outputs={"n": int}, custom={"secrets": {"password": "db"}})
    request = create_request(task, connection={"secrets": {"password": CANARY}})
    meta = (await dispatcher.create(request)).resource_meta
    envelope = unseal(meta, TASK_TYPE)
    assert envelope.key.startswith("run1-a0-0-")
    assert envelope.secrets == {"password": "db"}
    assert envelope.outputs
    assert JobMeta.decode(envelope.meta) == JobMeta(envelope.key)
