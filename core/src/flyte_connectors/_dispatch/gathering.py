"""Gathers polls: one question to the vendor about many jobs, by a connector's `get_many`.

Polls of one connector with the same secrets and configs that arrive within `WINDOW` seconds become one call of
`get_many`. With `min_poll_interval`, its answers are kept for so many seconds, and a call also covers the jobs
that were polled lately: so jobs whose polls are spread evenly cost no more calls than those polled at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import math
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

from flyte_connectors import errors
from flyte_connectors._calls.context import CallContext, current, metadata
from flyte_connectors._calls.guard import CallGuard, as_connector_error
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.secrets import SecretValue, mask, protected

if TYPE_CHECKING:
    from flyte_connectors.bound import BoundConnector

WINDOW = 0.025
"""Seconds for which a poll waits for others."""

FOLLOWED = 1800.0
"""Seconds after its latest poll for which a job is polled together with others."""

MOST_KEPT = 100_000
"""Jobs whose answers may be kept; those polled longest ago leave first."""

_SWEEP_SECONDS = 30.0
_Key = tuple[bytes, str]  # a job's meta as the connector encodes it, and the output prefix

_job: contextvars.ContextVar[tuple[Gathering, BoundConnector, bytes]] = contextvars.ContextVar("job")


class Gathering:
    """Calls `get_many` in place of `get`, on one event loop.

    Args:
        guard: Runs it.

    Attributes:
        loop: The event loop.
        kept: How many jobs are kept, in all groups.
    """

    def __init__(self, guard: CallGuard) -> None:
        self.guard = guard
        self.loop = asyncio.get_running_loop()
        self.kept = 0
        self.groups: dict[tuple[BoundConnector, bytes], _Group] = {}
        self._hash_key = os.urandom(32)
        self._sweep()

    async def get(
        self, connector: BoundConnector, job: bytes, arguments: Mapping[str, Any], timeout: float | None
    ) -> Any:
        """What the connector reports about a job; its `get` is counted and wrapped, but not called.

        Args:
            connector: The connector.
            job: The connector's own meta of the job, encoded.
            arguments: Those of `get`.
            timeout: Seconds for which to wait.

        Raises:
            ConnectorError: the connector answered it about this job, or about all.
        """
        _job.set((self, connector, job))
        verb = connector.verbs["get"]
        return await self.guard.call(verb, arguments, timeout=timeout, instead=_poll)  # the same on each event loop

    def forget(self, connector: BoundConnector, job: bytes) -> None:
        """Drop what is kept about a job, and do not keep answers to questions that were asked before."""
        for (owner, _), group in self.groups.items():
            if owner is connector:
                group.drop(job)

    async def answer(self, connector: BoundConnector, job: bytes, arguments: Mapping[str, Any]) -> Any:
        """What the connector reports about a job, gathered with others. Raises as `get` does."""
        common = dict(arguments)
        asked = _Job(common.pop("resource_meta"), common.pop("output_prefix"))
        digest = b""  # secrets are not kept
        if common:
            packed = msgpack.packb(sorted(common.items()), unicode_errors="surrogatepass")
            digest = hashlib.blake2b(packed, key=self._hash_key).digest()
        group = self.groups.get((connector, digest))
        if group is None:
            group = self.groups[connector, digest] = _Group(connector, self)
        answer = await group.poll(job, asked, common)
        mask(*answer.masked)
        if isinstance(answer.value, errors.ConnectorError):
            raise _copy(answer.value)
        return answer.value

    def _sweep(self) -> None:
        """Drop answers and jobs that are too old, and groups without any, from time to time."""
        for key, group in list(self.groups.items()):
            group.sweep(self.loop.time())
            if not (group.jobs or group.next):
                del self.groups[key]
        self.loop.call_later(_SWEEP_SECONDS, self._sweep, context=contextvars.Context())


class _Answer(NamedTuple):
    """What a connector reported about a job.

    Attributes:
        value: A resource, or a `ConnectorError`.
        masked: What the connector masked besides the secrets.
        at: When the question was asked, by the event loop's clock.
    """

    value: Any
    masked: frozenset[str]
    at: float

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.value.phase in TERMINAL_PHASES


class _Job:
    """A job that is polled: what identifies it, its latest answer, and the question that is on its way."""

    __slots__ = ("answer", "meta", "polled", "prefix", "question")

    def __init__(self, meta: Any, prefix: str) -> None:
        self.meta = meta
        self.prefix = prefix
        self.polled = 0.0
        self.answer: _Answer | None = None
        self.question: _Question | None = None


class _Group:
    """The polls that may be answered by one question: of one connector, with the same secrets and configs.

    Attributes:
        jobs: Those that are kept; the one polled last is the last.
        next: The question that is not asked yet.
    """

    def __init__(self, connector: BoundConnector, all_groups: Gathering) -> None:
        self.connector = connector
        self.all_groups = all_groups
        self.jobs: OrderedDict[bytes, _Job] = OrderedDict()
        self.next: _Question | None = None
        self._interval = connector.min_poll_interval
        self._renewed = -math.inf

    async def poll(self, job: bytes, asked: _Job, common: Mapping[str, str]) -> _Answer:
        """The latest answer about a job, unless that is too old."""
        loop = self.all_groups.loop
        now, prefix, known = loop.time(), asked.prefix, self.jobs.get(job)
        if known is None or known.prefix != prefix:
            known = asked
        if self._interval:
            known.polled = now
            self._keep(job, known)
            answer, question = known.answer, known.question
            if answer is not None and now - answer.at < self._interval:
                return answer
            if question is not None and question.waiting and now - question.at < self._interval:
                return await question.wait((job, prefix))
        if self.next is None:
            self.next = _Question(self, common)
            loop.call_later(WINDOW, self._ask, self.next)
        self.next.jobs.setdefault((job, prefix), known)
        return await self.next.wait((job, prefix))

    def answered(self, key: bytes, job: _Job, question: _Question, answer: _Answer) -> None:
        """Keep an answer to the latest question about a job, unless it is an error."""
        if job.question is question:
            job.question = None
            if isinstance(getattr(answer.value, "phase", None), int):
                job.answer = answer
            elif self.jobs.get(key) is job:
                self.drop(key)

    def drop(self, job: bytes) -> None:
        """Keep a job no more."""
        if self.jobs.pop(job, None) is not None:
            self.all_groups.kept -= 1

    def sweep(self, now: float) -> None:
        """Drop what is too old."""
        for key, job in list(self.jobs.items()):
            answer = job.answer
            if answer is not None and now - answer.at >= self._interval:
                job.answer = None  # none is one of a job that runs
            ended = answer is not None and job.answer is None and answer.is_over
            if ended or now - job.polled > FOLLOWED:
                self.drop(key)

    def _keep(self, key: bytes, job: _Job) -> None:
        if key not in self.jobs:
            self.all_groups.kept += 1
        self.jobs[key] = job
        self.jobs.move_to_end(key)
        if self.all_groups.kept > MOST_KEPT:
            self.drop(next(iter(self.jobs)))

    def _ask(self, question: _Question) -> None:
        """Ask a question, unless everybody has left, and about other jobs that will be polled soon."""
        self.next = None
        if not question.waiting:
            return
        now = self.all_groups.loop.time()
        if self._interval and now - self._renewed >= self._interval / 2:
            self._renewed = now
            for key, job in self.jobs.items():
                answer = job.answer
                is_due = answer is None or not (answer.is_over or now - answer.at < self._interval / 2)
                if is_due and job.question is None and now - job.polled <= FOLLOWED:
                    question.jobs.setdefault((key, job.prefix), job)
        question.start(now)


class _Question:
    """One call of `get_many`, and those who wait for its answers.

    Attributes:
        jobs: The jobs it is about.
        waiting: Those who wait for the answer about each.
        at: When it was asked.
    """

    def __init__(self, group: _Group, common: Mapping[str, str]) -> None:
        self._group = group
        self._common = common
        self.jobs: dict[_Key, _Job] = {}
        self.waiting: dict[_Key, set[asyncio.Future[_Answer]]] = {}
        self.at = math.inf
        self._task: asyncio.Task[None] | None = None

    async def wait(self, key: _Key) -> _Answer:
        """The answer about one job; the question is cancelled when its last caller leaves."""
        future: asyncio.Future[_Answer] = self._group.all_groups.loop.create_future()
        futures = self.waiting.setdefault(key, set())
        futures.add(future)
        try:
            return await future
        finally:
            futures.discard(future)
            if not futures:
                self.waiting.pop(key, None)
            if not self.waiting and self._task is not None:
                self._task.cancel()

    def start(self, now: float) -> None:
        """Ask."""
        self.at = now
        for job in self.jobs.values():
            job.question = self
        self._task = self._group.all_groups.loop.create_task(self._run())

    async def _run(self) -> None:
        current.set(CallContext("get_many", self._group.connector.category.name))
        metadata.set({})
        given = {n: value for n, value in self._common.items() if isinstance(value, SecretValue)}
        secrets = protected(given)
        lost = errors.ServiceUnavailableError("the question about the job was cancelled")
        values: Sequence[Any] = [lost] * len(self.jobs)
        try:
            with secrets:
                values = await self._values(list(self.jobs.values()))
        finally:
            masked = secrets.values - frozenset(given.values())
            for (key, job), value in zip(self.jobs.items(), values, strict=True):
                answer = _Answer(value, masked, self.at)
                self._group.answered(key[0], job, self, answer)
                for future in self.waiting.get(key, ()):
                    if not future.done():
                        future.set_result(answer)

    async def _values(self, jobs: Sequence[_Job]) -> Sequence[Any]:
        """A resource or error for each job; an error about one job that was raised for all is narrowed down to it."""
        metas, prefixes = [job.meta for job in jobs], [job.prefix for job in jobs]
        arguments = {"resource_metas": metas, "output_prefixes": prefixes, **self._common}
        verb = self._group.connector.verbs["get_many"]
        try:
            values = await self._group.all_groups.guard.call(verb, arguments)
        except errors.ConnectorError as error:
            is_of_one = isinstance(error, (errors.InvalidRequestError, errors.JobNotFoundError))
            if len(jobs) == 1 or not is_of_one:
                return [error] * len(jobs)
            half = len(jobs) // 2
            return [*await self._values(jobs[:half]), *await self._values(jobs[half:])]
        if not isinstance(values, Sequence) or len(values) != len(jobs):
            given = len(values) if isinstance(values, Sequence) else type(values).__name__
            message = f"{verb.connector.name} returned {given} from get_many for {len(jobs)} jobs"
            return [errors.ContractError(message)] * len(jobs)
        return [as_connector_error(one, verb) if isinstance(one, BaseException) else one for one in values]


async def _poll(arguments: Mapping[str, Any]) -> Any:
    gathering, connector, job = _job.get()
    return await gathering.answer(connector, job, arguments)


def _copy(error: errors.ConnectorError) -> errors.ConnectorError:
    """An error like this one, for one of several callers: a raised error keeps what it passed through."""
    copy: errors.ConnectorError = type(error).__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    return copy
