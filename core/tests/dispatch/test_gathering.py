"""`get_many`: one question for many polls, each answered as `get` would answer it, on a clock that tests set."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest
import virtual_time
from fake_jobs import JobMeta
from flyte_connectors import AsyncConnector, Phase, Resource
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch import gathering
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.table import Registry
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    ContractError,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    JobNotFoundError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyte_connectors.secrets import mask, redact
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from hypothesis import given
from hypothesis import strategies as st

TASK_TYPE = "listed"


class Vendor:
    """A vendor whose API lists jobs.

    Attributes:
        states: What is answered about each job; RUNNING if it is not there.
        questions: The jobs of each question.
        given: What else each question came with.
        takes: Seconds that a question takes.
        fails: Raised for a whole question, first to last.
        gets: Jobs that were asked about alone.
    """

    def __init__(self) -> None:
        self.states: dict[str, Any] = {}
        self.questions: list[list[str]] = []
        self.given: list[dict[str, Any]] = []
        self.takes = 0.0
        self.fails: list[BaseException] = []
        self.gets: list[str] = []
        self.cancelled = 0
        self.before: Callable[[], Any] = lambda: None
        self.alter: Callable[[list[Any]], Any] = lambda answers: answers

    async def ask(self, jobs: Sequence[JobMeta], arguments: dict[str, Any]) -> Any:
        self.questions.append([meta.job for meta in jobs])
        self.given.append(arguments)
        self.before()
        try:
            await asyncio.sleep(self.takes)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fails:
            raise self.fails.pop(0)
        return self.alter([self.states.get(meta.job, Resource(Phase.RUNNING)) for meta in jobs])


class Listed(AsyncConnector[JobMeta]):
    name = "Listed"
    task_type_name = TASK_TYPE
    metadata_type = JobMeta

    def __init__(self, vendor: Vendor, interval: float = 0) -> None:
        super().__init__()
        self.vendor = vendor
        self.min_poll_interval = interval

    async def create(self, **_: Any) -> JobMeta:
        return JobMeta("new")

    async def get(self, resource_meta: JobMeta, **_: Any) -> Resource:
        self.vendor.gets.append(resource_meta.job)
        return Resource(Phase.ABORTED)

    async def get_many(self, resource_metas: Sequence[JobMeta], **kwargs: Any) -> Any:
        return await self.vendor.ask(resource_metas, kwargs)

    async def delete(self, resource_meta: JobMeta, **_: Any) -> None:
        """Nothing to cancel."""


class ListedInThreads(Listed):
    def get_many(self, resource_metas: Sequence[JobMeta], **kwargs: Any) -> Any:  # type: ignore[override]
        self.vendor.questions.append([meta.job for meta in resource_metas])
        return [Resource(Phase.RUNNING, message=meta.job) for meta in resource_metas]


class Polls:
    """The dispatcher over such a connector."""

    def __init__(self, connector: Any, *, absorb: bool = False, wrapper: Any = None, local: bool = False) -> None:
        self.registry = Registry()
        self.bound = self.registry.register(connector)
        if wrapper:
            self.registry.wrap(wrapper)
        faults = TransientFaults(lost_after=3600) if absorb else None
        self.dispatcher = Dispatcher(self.registry, CallGuard(), faults=faults, local=local)

    async def __call__(self, job: str, timeout: float | None = 10.0, prefix: str = "", **secrets: str) -> pb.Resource:
        request = pb.GetTaskRequest(
            resource_meta=JobMeta(job).encode(),
            task_category={"name": TASK_TYPE},
            output_prefix=prefix,
        )
        if secrets:
            request.connection.secrets.update(secrets)
        return (await self.dispatcher.get(request, timeout)).resource

    async def delete(self, job: str, **secrets: str) -> None:
        request = pb.DeleteTaskRequest(resource_meta=JobMeta(job).encode(), task_category={"name": TASK_TYPE})
        if secrets:
            request.connection.secrets.update(secrets)
        await self.dispatcher.delete(request)

    def counted(self, verb: str) -> Counter[str]:
        return self.bound.verbs[verb].calls.by_code


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


def on_a_set_clock(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """A test whose seconds pass at once."""

    def run(vendor: Vendor) -> None:
        virtual_time.run(test(vendor))

    run.__doc__ = test.__doc__
    return run


async def after(seconds: float, call: Coroutine[Any, Any, Any]) -> Any:
    await asyncio.sleep(seconds)
    return await call


async def ended(call: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await call
    except (ConnectorError, asyncio.CancelledError) as error:
        return error


@on_a_set_clock
async def test_polls_at_about_the_same_time_are_one_question(vendor: Vendor) -> None:
    """In the order of their arrival; each gets the answer about its own job, in whatever order they came."""
    polls = Polls(Listed(vendor))
    vendor.states = {job: Resource(Phase.RUNNING, message=f"state of {job}") for job in "cab"}
    answers = await asyncio.gather(*(after(0.01 * at, polls(job)) for at, job in enumerate("cab")))
    assert vendor.questions == [["c", "a", "b"]]
    assert [answer.message for answer in answers] == ["state of c", "state of a", "state of b"]
    assert vendor.gets == []


@on_a_set_clock
async def test_one_job_is_asked_about_once(vendor: Vendor) -> None:
    """However many poll it at once; with another output prefix it is another answer."""
    polls = Polls(Listed(vendor))
    await asyncio.gather(polls("a"), polls("b"), polls("a"), polls("a", prefix="s3://x"))
    assert vendor.questions == [["a", "b", "a"]]
    assert vendor.given[0]["output_prefixes"] == ["", "", "s3://x"]


@on_a_set_clock
async def test_ten_thousand_jobs_cost_a_hundredth(vendor: Vendor) -> None:
    """Polled at once; or 3,000 polled evenly over half a minute, if answers may be five seconds old."""
    polls = Polls(Listed(vendor))
    await asyncio.gather(*(polls(f"j{at}") for at in range(10_000)))
    assert len(vendor.questions) == 1
    vendor.questions.clear()
    polls = Polls(Listed(vendor, interval=5))
    vendor.takes = 0.3
    jobs = [f"j{at}" for at in range(3000)]
    await asyncio.gather(*map(polls, jobs))
    await asyncio.sleep(30)
    vendor.questions.clear()
    await asyncio.gather(*(after(0.01 * at, polls(job)) for at, job in enumerate(jobs)))
    assert len(vendor.questions) <= 30


@on_a_set_clock
async def test_an_answer_is_kept_for_the_interval_and_no_longer(vendor: Vendor) -> None:
    """Counted from when the question was asked."""
    polls = Polls(Listed(vendor, interval=5))
    vendor.takes = 1
    await polls("a")
    vendor.states["a"] = Resource(Phase.SUCCEEDED)
    assert (await polls("a")).phase == TaskExecution.RUNNING
    await asyncio.sleep(3.9)
    assert (await polls("a")).phase == TaskExecution.RUNNING
    await asyncio.sleep(0.2)
    assert (await polls("a")).phase == TaskExecution.SUCCEEDED
    assert vendor.questions == [["a"], ["a"]]
    assert polls.counted("get") == {"OK": 4}
    assert polls.counted("get_many") == {"OK": 2}


@on_a_set_clock
async def test_without_an_interval_nothing_is_kept(vendor: Vendor) -> None:
    """Each later poll asks again."""
    polls = Polls(Listed(vendor))
    for _ in range(3):
        await polls("a")
    assert vendor.questions == [["a"]] * 3


@on_a_set_clock
async def test_a_question_covers_what_is_polled_soon(vendor: Vendor) -> None:
    """Jobs that were polled lately and still run, not those that have ended or that nobody polls any more."""
    polls = Polls(Listed(vendor, interval=5))
    vendor.states["over"] = Resource(Phase.FAILED)
    await asyncio.gather(*map(polls, ("a", "b", "over")))
    await asyncio.sleep(6)
    await polls("a")
    assert [sorted(jobs) for jobs in vendor.questions] == [["a", "b", "over"], ["a", "b"]]
    await polls("b")
    assert len(vendor.questions) == 2
    for _ in range(500):
        await asyncio.sleep(6)
        await polls("a")
    assert vendor.questions[-1] == ["a"]
    assert vendor.gets == []


@on_a_set_clock
async def test_each_job_has_its_own_error(vendor: Vendor) -> None:
    """Mapped as an error of `get` is; the others are answered."""
    polls = Polls(Listed(vendor))
    vendor.states = {
        "gone": JobNotFoundError("no such job"),
        "bug": KeyError("state"),
        "odd": {"state": "running"},
    }
    good, gone, bug, odd = await asyncio.gather(*(ended(polls(job)) for job in ("good", "gone", "bug", "odd")))
    assert good.phase == TaskExecution.RUNNING
    assert type(gone) is JobNotFoundError
    assert type(bug) is InternalError
    assert "state" not in bug.message
    assert type(odd) is InternalError
    assert len(vendor.questions) == 1
    assert polls.counted("get") == {"OK": 2, "NOT_FOUND": 1, "INTERNAL": 1}


@on_a_set_clock
async def test_one_bad_meta_spoils_no_other(vendor: Vendor) -> None:
    """Even if the connector raises for all, with few more questions; what is no meta is never asked about."""
    polls = Polls(Listed(vendor))

    def refuse(answers: list[Any]) -> list[Any]:
        if "bad" in vendor.questions[-1]:
            raise InvalidRequestError("not a job", field="resource_meta")
        return answers

    vendor.alter = refuse
    jobs = [f"j{at}" for at in range(63)]
    jobs.insert(40, "bad")
    garbage = pb.GetTaskRequest(resource_meta=b"\x80", task_category={"name": TASK_TYPE})
    *answers, last = await asyncio.gather(*(ended(polls(job)) for job in jobs), ended(polls.dispatcher.get(garbage)))
    bad = answers.pop(40)
    assert isinstance(bad, InvalidRequestError)
    assert {answer.phase for answer in answers} == {TaskExecution.RUNNING}
    assert isinstance(last, InvalidRequestError)
    assert len(vendor.questions) <= 13


@on_a_set_clock
async def test_what_concerns_all_is_told_to_all(vendor: Vendor) -> None:
    """As an error of each one's own: they change it."""
    polls = Polls(Listed(vendor))
    for error in (AuthenticationError("bad key"), RateLimitedError("slow"), OSError("secret")):
        vendor.fails = [error]
        answers = await asyncio.gather(*(ended(polls(job)) for job in "abc"))
        assert len({id(answer) for answer in answers}) == 3
        assert len({(type(answer), answer.message) for answer in answers}) == 1
        assert isinstance(answers[0], (type(error), InternalError))
    assert len(vendor.questions) == 3


@pytest.mark.parametrize("answers", [[], [Resource(Phase.RUNNING)] * 3, None, iter(()), {}, 7])
def test_the_wrong_number_of_answers_is_no_answer(vendor: Vendor, answers: Any) -> None:
    """They might be about other jobs."""

    async def ask() -> None:
        polls = Polls(Listed(vendor))
        vendor.alter = lambda _: answers
        errors = await asyncio.gather(*(ended(polls(job)) for job in "ab"))
        assert {type(error) for error in errors} == {ContractError}
        assert "from get_many for 2 jobs" in errors[0].message

    virtual_time.run(ask())


@on_a_set_clock
async def test_transient_errors_are_absorbed_as_those_of_get(vendor: Vendor) -> None:
    """Retried together within the caller's time, then answered with RUNNING; a lost job fails."""
    polls = Polls(Listed(vendor), absorb=True)
    vendor.states = {job: Resource(Phase.QUEUED) for job in "abc"}
    vendor.states["lost"] = JobNotFoundError("gone")
    vendor.fails = [ServiceUnavailableError("down")]
    answers = await asyncio.gather(*map(polls, "abc"), polls("lost"))
    phases = [TaskExecution.QUEUED] * 3 + [TaskExecution.RETRYABLE_FAILED]
    assert [answer.phase for answer in answers] == phases
    assert len(vendor.questions) <= 5
    vendor.fails = [ServiceUnavailableError("down") for _ in range(1000)]
    answers = await asyncio.gather(*map(polls, "abc"))
    assert [answer.phase for answer in answers] == [TaskExecution.RUNNING] * 3


@on_a_set_clock
async def test_errors_are_not_kept(vendor: Vendor) -> None:
    """The next poll asks again."""
    polls = Polls(Listed(vendor, interval=60))
    vendor.states["a"] = ServiceUnavailableError("down")
    assert isinstance(await ended(polls("a")), ServiceUnavailableError)
    del vendor.states["a"]
    assert (await polls("a")).phase == TaskExecution.RUNNING


@on_a_set_clock
async def test_a_deadline_is_its_callers_own(vendor: Vendor) -> None:
    """Others wait as long as they may."""
    polls = Polls(Listed(vendor))
    vendor.takes = 5
    short, long = await asyncio.gather(ended(polls("a", 1.0)), ended(polls("b", 10.0)))
    assert isinstance(short, DeadlineExceededError)
    assert "did not answer get within 1 s" in short.message
    assert long.phase == TaskExecution.RUNNING
    assert vendor.cancelled == 0


@on_a_set_clock
async def test_a_cancelled_caller_harms_no_other(vendor: Vendor) -> None:
    """Neither in the window nor while the question is on its way, nor one who asks about the same job."""
    polls = Polls(Listed(vendor))
    vendor.takes = 1
    for moment in (0.0, 0.01, 0.5):
        first, *others = (asyncio.ensure_future(ended(polls(job))) for job in "aab")
        await asyncio.sleep(moment)
        first.cancel()
        assert [(await other).phase for other in others] == [TaskExecution.RUNNING] * 2
    assert len(vendor.questions) == 3


@on_a_set_clock
async def test_a_question_ends_with_those_who_wait_for_it(vendor: Vendor) -> None:
    """It is cancelled when the last one leaves, and not asked if all leave before."""
    polls = Polls(Listed(vendor, interval=5))
    vendor.takes = 1000
    answers = await asyncio.gather(ended(polls("a", 1.0)), ended(polls("b", 2.0)))
    assert {type(answer) for answer in answers} == {DeadlineExceededError}
    assert vendor.cancelled == 1
    await asyncio.gather(ended(polls("a", 0.001)))
    waiting = asyncio.ensure_future(polls("b"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.sleep(1)
    vendor.takes = 0
    assert (await polls("a")).phase == TaskExecution.RUNNING
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others


@on_a_set_clock
async def test_an_answer_of_before_a_delete_is_not_kept(vendor: Vendor) -> None:
    """Neither one that is there nor one that is on its way; whatever secrets the poll came with."""
    polls = Polls(Listed(vendor, interval=60))
    await polls("a", api="t0kens")
    await polls.delete("a")
    vendor.states["a"] = Resource(Phase.ABORTED)
    assert (await polls("a", api="t0kens")).phase == TaskExecution.ABORTED
    vendor.takes = 1
    late = asyncio.ensure_future(polls("b"))
    await asyncio.sleep(0.5)
    await polls.delete("b")
    assert (await late).phase == TaskExecution.RUNNING
    vendor.states["b"] = Resource(Phase.ABORTED)
    assert (await polls("b")).phase == TaskExecution.ABORTED


@on_a_set_clock
async def test_secrets_are_never_mixed(vendor: Vendor) -> None:
    """Not in one question, nor in one kept answer, however they are divided into names and values."""
    polls = Polls(Listed(vendor, interval=60))
    tenants: list[Mapping[str, str]] = [
        {"key": "tenant-one"}, {"key": "tenant-two"}, {"other": "tenant-one"}, {},
        {"a": "b", "c": "d"}, {"a": "b,c", "d": ""}, {"ab": "cd"},
    ]  # fmt: skip
    for _ in range(2):
        await asyncio.gather(*(polls(job, **tenant) for tenant in tenants for job in ("mine", "yours")))
    assert len(vendor.questions) == len(tenants)
    for arguments in vendor.given:
        del arguments["output_prefixes"]
    assert all(tenant in vendor.given for tenant in tenants)
    assert "tenant" not in repr(vendor.given)


@on_a_set_clock
async def test_what_the_connector_masks_is_masked_for_all(vendor: Vendor) -> None:
    """For those who wait, and for those who get a kept answer; secrets that were sent, too."""
    polls = Polls(Listed(vendor, interval=60))

    def leak(answers: list[Any]) -> list[Any]:
        mask("derived-t0ken")
        _, *others = answers
        text = "derived-t0ken of sent-s3cret"
        return [AuthenticationError(text), *(Resource(Phase.RUNNING, text) for _ in others)]

    vendor.alter = leak
    error, *answers = await asyncio.gather(*(ended(polls(job, key="sent-s3cret")) for job in "abc"))
    answers.append(await polls("c", key="sent-s3cret"))
    assert error.message == "*** of ***"
    assert {answer.message for answer in answers} == {"*** of ***"}


@on_a_set_clock
async def test_no_secret_is_kept(vendor: Vendor) -> None:
    """Between calls, the core holds a digest of them."""
    polls = Polls(Listed(vendor, interval=60))
    await polls("a", key="s3cret-of-a-tenant")
    vendor.given.clear()
    gc.collect()
    kept = polls.dispatcher._gathering.get()
    seen: dict[int, Any] = {}
    pending: list[Any] = [kept]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        assert one != "s3cret-of-a-tenant"
        if type(one).__module__ == gathering.__name__ or isinstance(one, (dict, tuple, set)):
            pending += gc.get_referents(one)


@on_a_set_clock
async def test_a_caller_that_has_left_takes_no_mask_along(vendor: Vendor) -> None:
    """The question is asked with the secrets of the one who came first, who may be gone by then."""
    polls = Polls(Listed(vendor))
    vendor.fails = [AuthenticationError("refused: s3cret-of-a-tenant")]
    seen: list[str] = []
    vendor.before = lambda: seen.append(redact("with s3cret-of-a-tenant"))
    first = asyncio.ensure_future(polls("a", key="s3cret-of-a-tenant"))
    await asyncio.sleep(0.01)
    second = asyncio.ensure_future(ended(polls("b", key="s3cret-of-a-tenant")))
    await asyncio.sleep(0.001)
    first.cancel()
    assert (await second).message == "refused: ***"
    assert seen == ["with ***"]
    assert vendor.questions == [["a", "b"]]


@on_a_set_clock
async def test_nothing_is_kept_of_what_nobody_polls(vendor: Vendor) -> None:
    """Ended jobs leave once their answer is old, others half an hour after their last poll."""
    polls = Polls(Listed(vendor, interval=5))
    vendor.states = {f"j{at}": Resource(Phase.SUCCEEDED) for at in range(50)}
    await asyncio.gather(*(polls(f"j{at}", key=f"tenant-{at % 7}") for at in range(100)))
    kept = polls.dispatcher._gathering.get()
    assert kept.kept == 100
    await asyncio.sleep(100)
    assert kept.kept == 50
    await asyncio.sleep(gathering.FOLLOWED)
    assert (kept.kept, kept.groups) == (0, {})


def test_the_number_of_kept_answers_is_bounded(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """More jobs are polled without keeping what was polled longest ago."""
    monkeypatch.setattr(gathering, "MOST_KEPT", 100)

    async def ask() -> None:
        polls = Polls(Listed(vendor, interval=600))
        for _ in range(2):
            await asyncio.gather(*(polls(f"j{at}", key=f"k{at % 3}") for at in range(500)))
        kept = polls.dispatcher._gathering.get()
        assert kept.kept <= 100
        assert kept.kept == sum(len(group.jobs) for group in kept.groups.values())

    virtual_time.run(ask())


def test_wrappers_wrap_the_polls_and_the_questions(vendor: Vendor) -> None:
    """Composed once for each; the arguments of `get` are those of the poll."""
    seen: list[tuple[str, list[str]]] = []
    composed: list[str] = []

    def wrapper(verb: Any, call: Any) -> Any:
        composed.append(verb.name)

        async def wrapped(arguments: Mapping[str, Any]) -> Any:
            seen.append((verb.name, sorted(arguments)))
            return await call(dict(arguments))

        return wrapped

    async def ask() -> None:
        polls = Polls(Listed(vendor), wrapper=wrapper)
        for _ in range(2):
            await asyncio.gather(polls("a"), polls("b"))

    virtual_time.run(ask())
    assert sorted(composed) == ["get", "get_many"]
    assert Counter(name for name, _ in seen) == {"get": 4, "get_many": 2}
    assert ("get", ["output_prefix", "resource_meta"]) in seen


def test_a_plain_function_runs_in_a_thread(vendor: Vendor) -> None:
    """As other verbs do."""

    async def ask() -> None:
        polls = Polls(ListedInThreads(vendor), local=True)
        answers = await asyncio.gather(*map(polls, "abc"))
        assert [answer.message for answer in answers] == ["a", "b", "c"]
        assert vendor.questions == [["a", "b", "c"]]

    asyncio.run(ask())


@pytest.mark.parametrize("wrapper", [None, lambda _, call: call], ids=["bare", "wrapped"])
def test_it_works_on_several_event_loops(vendor: Vendor, wrapper: Any) -> None:
    """One dispatcher serves all local runs of a process."""
    polls = Polls(Listed(vendor, interval=60), local=True, wrapper=wrapper)
    for _ in range(3):
        assert asyncio.run(polls("a")).phase == TaskExecution.RUNNING
    assert vendor.questions == [["a"]] * 3


@dataclasses.dataclass
class Step:
    """A caller in a random run: when it comes, what it asks, when it leaves."""

    at: float
    job: str
    tenant: str
    leaves_after: float | None


STEPS = st.builds(
    Step,
    at=st.floats(0, 0.2),
    job=st.sampled_from("abcdef"),
    tenant=st.sampled_from(["", "one", "two"]),
    leaves_after=st.none() | st.floats(0, 0.2),
)


@given(st.lists(STEPS, max_size=30), st.sampled_from([0.0, 0.05, 1.0]), st.integers(0, 999))
def test_every_caller_gets_the_answer_about_its_job_for_its_tenant(
    steps: list[Step], interval: float, seed: int
) -> None:
    """Whoever comes or leaves when, and whatever fails for others."""
    draw = random.Random(seed)

    class Tenants(Listed):
        async def get_many(self, resource_metas: Any, *, key: str = "", **_: Any) -> Any:
            await asyncio.sleep(draw.uniform(0, 0.1))
            return [
                JobNotFoundError(f"{key}/{meta.job}")
                if meta.job in "ab"
                else Resource(Phase.RUNNING, message=f"{key}/{meta.job}")
                for meta in resource_metas
            ]

    async def one(polls: Polls, step: Step) -> None:
        await asyncio.sleep(step.at)
        call = polls(step.job, 10.0, **({"key": step.tenant} if step.tenant else {}))
        answering = asyncio.ensure_future(ended(call))
        if step.leaves_after is not None:
            asyncio.get_running_loop().call_later(step.leaves_after, answering.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            answer = await answering
            if not isinstance(answer, asyncio.CancelledError):
                tenant = "***" if len(step.tenant) > 3 else step.tenant
                assert answer.message == f"{tenant}/{step.job}"
                assert isinstance(answer, JobNotFoundError) == (step.job in "ab")

    async def play() -> None:
        polls = Polls(Tenants(Vendor(), interval=interval))
        await asyncio.gather(*(one(polls, step) for step in steps))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual_time.run(play())
