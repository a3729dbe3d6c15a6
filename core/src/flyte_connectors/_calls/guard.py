"""The guard: every call of a connector, local or remote, goes through it.

It runs the verb on the shared event loop, in the connector's thread pool or on an isolated loop, enforces the
caller's deadline, counts the call, and maps every exception to an error of `flyte_connectors.errors` without
secrets in its text.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import types
from collections.abc import AsyncIterator, Awaitable, Generator, Iterable, Mapping
from contextvars import copy_context
from functools import partial
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flyte_connectors import errors
from flyte_connectors._calls.deadlines import Deadlines
from flyte_connectors._calls.isolation import Lane, LoopThread
from flyte_connectors._calls.texts import shortened
from flyte_connectors.bound import BoundConnector, Call, Mode, Verb, Wrapper
from flyte_connectors.secrets import redact_error

if TYPE_CHECKING:
    from flyte_connectors._calls.channel import Channel
    from flyte_connectors._calls.loop_watch import LoopWatch

T = TypeVar("T")
_COROUTINE, _Coroutine = Mode.COROUTINE, types.CoroutineType
logger = logging.getLogger(__name__)

_CHUNK = 1000  # items taken in one visit to a thread, or that may wait on their way from another loop
_TERM = 600.0  # seconds


class CallGuard:
    """Runs verbs.

    Args:
        threads: Threads per connector for its plain functions.
        backlog: Calls per connector that may wait for a thread, or for its own loop.
        isolate: Whether a connector whose coroutines block is moved to an isolated event loop.
        term: Seconds without blocking after which it returns to the shared loop.

    Attributes:
        unfinished: Tasks that must run to completion: `drain` waits for them.
    """

    def __init__(self, *, threads: int = 16, backlog: int = 1000, isolate: bool = False, term: float = _TERM) -> None:
        self._threads = threads
        self._backlog = backlog
        self._term = term
        self._lanes: dict[BoundConnector, Lane] = {}
        self._composed: dict[Verb, tuple[tuple[Wrapper, ...], Call]] = {}
        self.unfinished: set[asyncio.Task[Any]] = set()
        self._deadlines = Deadlines()
        self._watch = self._new_watch() if isolate else None

    async def call(
        self,
        verb: Verb,
        arguments: Mapping[str, Any],
        *,
        timeout: float | None = None,
        instead: Call | None = None,
    ) -> Any:
        """Call `verb` with those of `arguments` that it takes, within `timeout` seconds; return its result.

        Marks the connector's part of the stack, as `_await` does where others stand in between.

        Args:
            verb: The verb.
            arguments: By name; the verb gets those that it takes.
            timeout: Seconds.
            instead: Gives the result in place of the verb's function, always the same for one verb.

        Raises:
            ConnectorError: the verb raised it, or any other exception mapped to it.
        """
        calls = verb.calls
        calls.in_flight += 1
        code = "OK"
        started = perf_counter()
        limit = None
        try:
            if verb.mode is not _COROUTINE or verb.wrappers or instead is not None or verb.connector in self._lanes:
                limit = None if timeout is None else self._deadlines.begin(timeout)
                if verb.wrappers:
                    return await self._wrapped(verb, instead)(arguments)
                return await (self._run(verb, arguments) if instead is None else instead(arguments))
            work = verb.function(**(arguments if verb.accepts is None else verb.select(arguments)))
            steps = work if type(work) is _Coroutine else work.__await__()
            try:
                waiting = steps.send(None)
            except StopIteration as end:  # it did not have to wait, and needs no time limit
                return end.value
            if timeout is not None:
                limit = self._deadlines.begin(timeout - (perf_counter() - started))
            return await _rest(steps, waiting)
        except asyncio.CancelledError:
            if limit is None or not limit.expired:
                code = "CANCELLED"
                raise
            code = errors.DeadlineExceededError.code
            name = verb.connector.name
            message = f"{name} did not answer {verb.name} within {timeout:.3g} s"
            raise errors.DeadlineExceededError(message) from None
        except (Exception, SystemExit) as error:
            mapped = as_connector_error(error, verb)
            code = mapped.code
            if mapped is error:
                raise
            raise mapped from error
        finally:
            if limit is not None:
                limit.end()
            calls.in_flight -= 1
            calls.observe(code, perf_counter() - started)

    async def stream(self, verb: Verb, arguments: Mapping[str, Any]) -> AsyncIterator[Any]:
        """The items that `verb` yields, or its single result.

        Marks a generator's part of the stack, as `_await` does for a coroutine.

        Raises:
            ConnectorError: the verb raised it, or any other exception mapped to it.
        """
        calls = verb.calls
        calls.in_flight += 1
        code = "OK"
        started = perf_counter()
        try:
            result = await self._iterable(verb, arguments)
            if hasattr(result, "__aiter__"):
                async for item in result:
                    yield item
            elif result is not None:
                yield result
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except (Exception, SystemExit) as error:
            mapped = as_connector_error(error, verb)
            code = mapped.code
            if mapped is error:
                raise
            raise mapped from error
        finally:
            calls.in_flight -= 1
            calls.observe(code, perf_counter() - started)

    def start(self) -> None:
        """Begin to watch the running event loop for connectors that block it."""
        if self._watch is not None:
            self._watch.start()

    @property
    def isolated(self) -> list[BoundConnector]:
        """The connectors that are isolated on another event loop now."""
        return [connector for connector, lane in list(self._lanes.items()) if lane.loop is not None]

    @property
    def busy_threads(self) -> int:
        """Calls of plain functions that run or are queued."""
        return sum(lane.pool.pending for lane in self._lanes.values())

    async def drain(self, grace: float | None) -> int:
        """Wait at most `grace` seconds for the `unfinished` tasks, then release the threads.

        Returns:
            How many calls were still unfinished.
        """
        pending = set(self.unfinished)
        if pending:
            _, pending = await asyncio.wait(pending, timeout=grace)
        if self._watch is not None:
            self._watch.stop()
        for lane in self._lanes.values():
            lane.shut_down()
        return len(pending)

    def _wrapped(self, verb: Verb, instead: Call | None) -> Call:
        """The call of `verb` within its wrappers, which are composed once."""
        wrappers, call = self._composed.get(verb, ((), None))
        if call is None or wrappers is not verb.wrappers:
            call = verb.wrapped(instead or partial(self._run, verb))
            self._composed[verb] = (verb.wrappers, call)
        return call

    def _run(self, verb: Verb, arguments: Mapping[str, Any]) -> Awaitable[Any]:
        if verb.mode is Mode.THREAD:
            return self._run_in_thread(verb, arguments)
        lane = self._lanes.get(verb.connector) if self._lanes else None
        own = None if lane is None else lane.loop
        work = self._await(verb, arguments)
        return work if own is None else own.run(work)

    async def _run_in_thread(self, verb: Verb, arguments: Mapping[str, Any]) -> Any:
        result = await self._in_thread(verb, partial(verb.function, **verb.select(arguments)))
        return await result if inspect.iscoroutine(result) else result

    async def _await(self, verb: Verb, arguments: Mapping[str, Any]) -> Any:
        """Marks the connector's part of the stack; `LoopWatch` finds `verb` in this frame."""
        return await verb.function(**verb.select(arguments))

    async def _iterable(self, verb: Verb, arguments: Mapping[str, Any]) -> Any:
        """What a verb gives: an asynchronous iterator, or a single item."""
        if verb.mode is Mode.ASYNC_GENERATOR or inspect.isgeneratorfunction(verb.function):
            result = verb.function(**verb.select(arguments))  # which runs nothing of it yet
        else:
            result = await self._run(verb, arguments)
        if hasattr(result, "__aiter__"):
            lane = self._lanes.get(verb.connector)
            own = None if lane is None else lane.loop
            return result if own is None else self._fetch(verb, result.__aiter__(), own)
        return self._chunks(verb, result) if hasattr(result, "__next__") else result

    async def _chunks(self, verb: Verb, result: Iterable[Any]) -> AsyncIterator[Any]:
        """The items of a plain iterator, taken in the connector's threads."""
        while True:
            chunk: list[Any] = await self._in_thread(verb, partial(list, islice(result, _CHUNK)))
            for item in chunk:
                yield item
            if len(chunk) < _CHUNK:
                return

    async def _fetch(self, verb: Verb, items: AsyncIterator[Any], own: LoopThread) -> AsyncIterator[Any]:
        """`items` of an isolated connector."""
        from flyte_connectors._calls.channel import Channel  # for connectors that block

        channel = Channel(_CHUNK)
        feeding = asyncio.ensure_future(own.run(self._feed(verb, items, channel)))
        feeding.add_done_callback(lambda _: channel.close())
        try:
            async for item in channel:
                yield item
            await feeding
        finally:
            feeding.cancel()

    async def _feed(
        self,
        verb: Verb,  # noqa: ARG002  (LoopWatch reads it)
        items: AsyncIterator[Any],
        channel: Channel,
    ) -> None:
        """Marks a generator's part of the stack on an isolated loop."""
        try:
            async for item in items:
                await channel.put(item)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    async def _in_thread(self, verb: Verb, function: partial[T]) -> T:
        return await self._lane(verb.connector).pool.run(partial(copy_context().run, function))

    def _lane(self, connector: BoundConnector) -> Lane:
        lane = self._lanes.get(connector)
        if lane is None:
            lane = self._lanes[connector] = Lane(
                connector.name,
                threads=self._threads,
                backlog=self._backlog,
                watch=self._new_watch,
                term=self._term,
            )
        return lane

    def _new_watch(self) -> LoopWatch:
        from flyte_connectors._calls.loop_watch import LoopWatch  # local runs have none

        marks = (CallGuard.call, CallGuard._await, CallGuard.stream, CallGuard._feed)
        return LoopWatch({function.__code__ for function in marks}, self._isolate)

    def _isolate(self, frame: Mapping[str, Any], stack: str, seconds: float) -> None:
        verb = cast("Verb", frame["verb"])
        if "instead" in frame and (verb.wrappers or frame["instead"]):
            return  # `call`, in which something else than the connector blocks
        if self._lane(verb.connector).isolate():
            logger.warning(
                "%s blocked the event loop for over %d ms in its async %s; its calls now run on a separate "
                "loop. Move the blocking call into a plain `def`. Stack:\n%s",
                verb.connector.name,
                seconds * 1000,
                verb.name,
                stack,
            )


@types.coroutine
def _rest(steps: Any, waiting: Any) -> Generator[Any, Any, Any]:
    """What a coroutine returns whose first step was made; it waits for `waiting`."""
    while True:
        try:
            yield waiting
        except BaseException as error:  # the task is cancelled, or closed
            try:
                waiting = steps.throw(error)
            except StopIteration as end:
                return end.value
        else:
            return (yield from steps)


def as_connector_error(error: BaseException, verb: Verb) -> errors.ConnectorError:
    """The error that the caller sees."""
    if isinstance(error, errors.ConnectorError):
        redact_error(error)
        error.message = shortened(error.message)
        error.args = (error.message,)
        return error
    where = f"{verb.name} of {verb.connector.name} (task type {verb.connector.category})"
    if isinstance(error, NotImplementedError):
        return errors.UnsupportedVerbError(f"{where} is not implemented")
    return unforeseen(error, where)


def unforeseen(error: BaseException, where: str) -> errors.InternalError:
    """Log `error` with its traceback and a correlation id; return the error for the caller, which has the id only."""
    correlation = os.urandom(6).hex()
    logger.error("unexpected error %s in %s", correlation, where, exc_info=error)
    return errors.InternalError(f"{where} failed unexpectedly; see {correlation} in the service's log")
