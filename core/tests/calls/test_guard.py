"""The guard around every call: time, threads, isolation, errors, counting."""

# Coroutines that block are what is tested.
# ruff: noqa: ASYNC251

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fake_jobs import until
from flyte_connectors import AsyncConnector, ResourceMeta
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._calls.isolation import ThreadPool
from flyte_connectors._registry.binding import bind as bind_plugin
from flyte_connectors.bound import BoundConnector
from flyte_connectors.errors import (
    ConnectorError,
    DeadlineExceededError,
    InternalError,
    JobNotFoundError,
    RateLimitedError,
    UnsupportedVerbError,
)
from flyte_connectors.secrets import protected


class Meta(ResourceMeta):
    job: str


def bind(**verbs: Any) -> BoundConnector:
    """A connector whose verbs are these functions of the call's arguments."""

    async def unused(self: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    body = {
        "name": "Mine",
        "task_type_name": "mine",
        "metadata_type": Meta,
        **dict.fromkeys(("create", "get", "delete"), unused),
        **verbs,
    }
    return bind_plugin(type("Mine", (AsyncConnector,), body)(), source="here")


@pytest.fixture
async def isolating() -> AsyncIterator[CallGuard]:
    """A guard that watches the loop, as the service's does."""
    guard = CallGuard(isolate=True)
    guard.start()
    yield guard
    await guard.drain(5)


class TestDeadline:
    """The caller's time."""

    async def test_a_late_coroutine_is_cancelled(self, guard: CallGuard) -> None:
        """The caller hears of it in time, and the connector can clean up."""
        cleaned_up = asyncio.Event()

        async def get(self: Any, **kwargs: Any) -> Any:
            try:
                await asyncio.sleep(60)
            finally:
                cleaned_up.set()

        verb = bind(get=get).verb("get")
        with pytest.raises(DeadlineExceededError, match=r"Mine did not answer get within 0\.05 s"):
            await guard.call(verb, {}, timeout=0.05)
        assert cleaned_up.is_set()
        assert verb.calls.by_code == {"DEADLINE_EXCEEDED": 1}

    async def test_a_late_thread_is_left_alone(self, guard: CallGuard) -> None:
        """Nobody waits for it any longer."""
        go_on = threading.Event()

        def get(self: Any, **kwargs: Any) -> Any:
            go_on.wait(10)

        with pytest.raises(DeadlineExceededError):
            await guard.call(bind(get=get).verb("get"), {}, timeout=0.05)
        go_on.set()

    async def test_a_connectors_own_time_out_is_no_deadline(self, guard: CallGuard) -> None:
        """A socket that timed out is the connector's fault, not the caller's impatience."""

        async def get(self: Any, **kwargs: Any) -> Any:
            raise asyncio.TimeoutError("vendor")

        with pytest.raises(InternalError):
            await guard.call(bind(get=get).verb("get"), {}, timeout=10)

    async def test_a_first_wait_is_limited_like_any_other(self, guard: CallGuard) -> None:
        """What is cancelled there may wait once more, and even answer; what fails there may go on."""
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(ValueError("vendor"))

        async def get(self: Any, *, first: Any, **kwargs: Any) -> Any:
            try:
                await first
            except (asyncio.CancelledError, ValueError) as error:
                await asyncio.sleep(0.01)
                await asyncio.sleep(0.01)
                return f"after a {type(error).__name__}"

        verb = bind(get=get).verb("get")
        for first, expected in ((asyncio.sleep(60), "after a CancelledError"), (failed, "after a ValueError")):
            assert await guard.call(verb, {"first": first}, timeout=0.05) == expected
        assert verb.calls.by_code == {"OK": 2}

    async def test_what_is_awaitable_without_being_a_coroutine_is_awaited(self, guard: CallGuard) -> None:
        """Compilers and decorators make such functions."""
        verb = bind().verb("get")
        verb.function = lambda: asyncio.gather(asyncio.sleep(0.01, "done"))
        assert await guard.call(verb, {}, timeout=10) == ["done"]

    async def test_without_a_limit_it_takes_its_time(self, guard: CallGuard) -> None:
        """No timeout is no timeout."""

        async def get(self: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0.01)
            return "done"

        assert await guard.call(bind(get=get).verb("get"), {}) == "done"


class TestCancellation:
    """A caller that leaves."""

    async def test_it_cancels_the_coroutine(self, guard: CallGuard) -> None:
        """And is counted."""
        running = asyncio.Event()

        async def get(self: Any, **kwargs: Any) -> Any:
            running.set()
            await asyncio.sleep(60)

        verb = bind(get=get).verb("get")
        call = asyncio.ensure_future(guard.call(verb, {}))
        await running.wait()
        assert verb.calls.in_flight == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert verb.calls.by_code == {"CANCELLED": 1}
        assert verb.calls.in_flight == 0

    async def test_drain_counts_what_it_could_not_wait_for(self, guard: CallGuard) -> None:
        """The operator learns how many creates were cut off."""
        go_on = asyncio.Event()
        task = asyncio.ensure_future(go_on.wait())
        guard.unfinished.add(task)
        assert await guard.drain(0.01) == 1
        go_on.set()
        assert await guard.drain(5) == 0


class TestErrors:
    """What a caller may see."""

    @pytest.mark.parametrize("error", [RuntimeError("pa55word"), KeyError("pa55word"), SystemExit(3)])
    @pytest.mark.parametrize("plain", [False, True])
    async def test_the_unforeseen_has_a_fixed_text(
        self, guard: CallGuard, caplog: pytest.LogCaptureFixture, error: BaseException, plain: bool
    ) -> None:
        """The caller gets a correlation id; the log has the traceback under it."""

        def fail(self: Any, **kwargs: Any) -> Any:
            raise error

        async def fail_async(self: Any, **kwargs: Any) -> Any:
            raise error

        verb = bind(get=fail if plain else fail_async).verb("get")
        with pytest.raises(InternalError) as caught:
            await guard.call(verb, {})
        text = caught.value.message
        pattern = (
            r"get of Mine \(task type 'mine' version 0\) failed unexpectedly; "
            r"see ([0-9a-f]{12}) in the service's log"
        )
        match = re.fullmatch(pattern, text)
        assert match, text
        assert match[1] in caplog.text
        assert type(error).__name__ in caplog.text
        assert verb.calls.by_code == {"INTERNAL": 1}

    async def test_a_connectors_error_is_passed_on(self, guard: CallGuard) -> None:
        """The very one, secrets in its text masked."""
        error = JobNotFoundError("no job j1, asked with my-secret")

        async def get(self: Any, **kwargs: Any) -> Any:
            raise error

        verb = bind(get=get).verb("get")
        with protected({"s": "my-secret"}), pytest.raises(JobNotFoundError) as caught:
            await guard.call(verb, {})
        assert caught.value is error
        assert str(error) == error.message == "no job j1, asked with ***"
        assert verb.calls.by_code == {"NOT_FOUND": 1}

    async def test_not_implemented_is_unsupported(self, guard: CallGuard) -> None:
        """However a connector says that it can't."""
        with pytest.raises(UnsupportedVerbError, match=r"get of Mine .* is not implemented"):
            await guard.call(bind().verb("get"), {})


class TestThreads:
    """Plain functions."""

    async def test_they_do_not_block_the_loop(self, guard: CallGuard) -> None:
        """A sleeping vendor SDK costs nobody else anything."""
        go_on = threading.Event()

        def get(self: Any, **kwargs: Any) -> Any:
            return go_on.wait(10), threading.current_thread().name

        call = asyncio.ensure_future(guard.call(bind(get=get).verb("get"), {}))
        await asyncio.sleep(0.01)
        go_on.set()  # only a free loop comes here
        waited, thread = await call
        assert waited
        assert thread.startswith("Mine")

    async def test_they_are_bounded_for_each_connector(self) -> None:
        """One connector's full queue is not another's."""
        guard = CallGuard(threads=1, backlog=1)
        go_on = threading.Event()

        def get(self: Any, **kwargs: Any) -> Any:
            return go_on.wait(10)

        busy, free = bind(get=get).verb("get"), bind(get=get).verb("get")
        calls = [asyncio.ensure_future(guard.call(busy, {})) for _ in range(2)]
        await until(lambda: busy.calls.in_flight == 2)
        with pytest.raises(RateLimitedError, match="Mine has 2 calls waiting"):
            await guard.call(busy, {})
        assert busy.calls.by_code == {"RESOURCE_EXHAUSTED": 1}
        calls.append(asyncio.ensure_future(guard.call(free, {})))
        await until(lambda: free.calls.in_flight == 1)
        go_on.set()
        assert await asyncio.gather(*calls) == [True, True, True]
        await guard.drain(5)

    async def test_a_coroutine_from_a_plain_function_is_awaited(self, guard: CallGuard) -> None:
        """A decorator that hides `async def` does no harm."""

        async def hidden() -> str:
            return "answer"

        def get(self: Any, **kwargs: Any) -> Any:
            return hidden()

        assert await guard.call(bind(get=get).verb("get"), {}) == "answer"

    async def test_they_see_the_context_of_the_call(self, guard: CallGuard) -> None:
        """So that secrets are masked in their logs, too."""
        from flyte_connectors.secrets import redact

        def get(self: Any, **kwargs: Any) -> Any:
            return redact("my-secret")

        with protected({"s": "my-secret"}):
            assert await guard.call(bind(get=get).verb("get"), {}) == "***"


class TestIsolation:
    """A connector that blocks in a coroutine."""

    async def test_it_is_named_and_moved(self, isolating: CallGuard, caplog: pytest.LogCaptureFixture) -> None:
        """The log says who, where and what to do; from then on the others do not feel it."""

        async def get(self: Any, **kwargs: Any) -> Any:
            time.sleep(0.3)
            return threading.current_thread().name

        blocking = bind(get=get).verb("get")
        assert await isolating.call(blocking, {}) == threading.current_thread().name
        await until(lambda: "blocked the event loop" in caplog.text)
        assert "Mine blocked the event loop" in caplog.text
        assert "in its async get" in caplog.text
        assert "time.sleep(0.3)" in caplog.text

        began = time.perf_counter()
        call = asyncio.ensure_future(isolating.call(blocking, {}))
        await asyncio.sleep(0.01)
        assert time.perf_counter() - began < 0.25  # this loop went on meanwhile
        assert await call == "Mine loop"

    async def test_it_is_moved_once(self, isolating: CallGuard, caplog: pytest.LogCaptureFixture) -> None:
        """One warning and one loop for all of its verbs and calls."""

        async def block(self: Any, **kwargs: Any) -> Any:
            time.sleep(0.3)
            return threading.current_thread().name

        connector = bind(get=block, delete=block)
        await asyncio.gather(*(isolating.call(connector.verb("get"), {}) for _ in range(2)))
        await until(lambda: "blocked the event loop" in caplog.text)
        assert await isolating.call(connector.verb("delete"), {}) == "Mine loop"
        assert caplog.text.count("blocked the event loop") == 1

    async def test_a_call_there_keeps_to_the_callers_time(self, isolating: CallGuard) -> None:
        """A moved connector that hangs does not hang its callers."""
        blocks = [True]

        async def get(self: Any, **kwargs: Any) -> Any:
            time.sleep(0.3 if blocks.pop() else 0)
            await asyncio.sleep(0)
            return threading.current_thread().name

        verb = bind(get=get).verb("get")
        await isolating.call(verb, {})
        await until(lambda: isolating._lanes)
        blocks[:] = [True]
        with pytest.raises(DeadlineExceededError):
            await isolating.call(verb, {}, timeout=0.05)

    async def test_a_wrapper_that_blocks_is_not_the_connectors_fault(
        self, isolating: CallGuard, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A slow tracer does not move the connectors."""

        def blocking(verb: Any, call: Any) -> Any:
            async def wrapped(arguments: Any) -> Any:
                time.sleep(0.3)
                return await call(arguments)

            return wrapped

        async def get(self: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return threading.current_thread().name

        verb = bind(get=get).verb("get")
        verb.wrappers = (blocking,)
        assert await isolating.call(verb, {}) == threading.current_thread().name
        await asyncio.sleep(0.1)
        assert not isolating.isolated
        assert "blocked" not in caplog.text

    async def test_a_well_behaved_connector_stays(self, isolating: CallGuard, caplog: pytest.LogCaptureFixture) -> None:
        """Waiting is not blocking."""

        async def get(self: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0.2)
            return threading.current_thread().name

        name = await isolating.call(bind(get=get).verb("get"), {})
        assert name == threading.current_thread().name
        assert "blocked" not in caplog.text


class _Iterator:
    """An async iterator that is not a generator."""

    def __init__(self, number: int) -> None:
        self.left = list(range(number))

    def __aiter__(self) -> _Iterator:
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)


async def _async_generator(self: Any, **kwargs: Any) -> AsyncIterator[int]:
    for number in range(2500):
        yield number


def _generator(self: Any, **kwargs: Any) -> Iterator[int]:
    yield from range(2500)


async def _returns_an_iterator(self: Any, **kwargs: Any) -> Any:
    return _Iterator(2500)


def _plainly_returns_an_iterator(self: Any, **kwargs: Any) -> Any:
    return _Iterator(2500)


async def _returns_a_generator(self: Any, **kwargs: Any) -> Any:
    return _async_generator(self)


class TestStreams:
    """Log streams, however a connector writes them."""

    @pytest.mark.parametrize(
        "get_logs",
        [
            _async_generator,
            _generator,
            _returns_an_iterator,
            _plainly_returns_an_iterator,
            _returns_a_generator,
        ],
    )
    async def test_all_kinds_of_iterators_are_read(self, guard: CallGuard, get_logs: Any) -> None:
        """In order and to the end."""
        verb = bind(get_logs=get_logs).verb("get_logs")
        assert [item async for item in guard.stream(verb, {})] == list(range(2500))
        assert verb.calls.by_code == {"OK": 1}

    @pytest.mark.parametrize("value", ["page", None])
    async def test_a_single_return_is_one_item(self, guard: CallGuard, value: Any) -> None:
        """And nothing is none."""

        async def get_logs(self: Any, **kwargs: Any) -> Any:
            return value

        def plain(self: Any, **kwargs: Any) -> Any:
            return value

        for function in (get_logs, plain):
            verb = bind(get_logs=function).verb("get_logs")
            items = [item async for item in guard.stream(verb, {})]
            assert items == ([value] if value else [])

    async def test_a_plain_generator_runs_in_a_thread(self, guard: CallGuard) -> None:
        """A blocking SDK's pages do not block the loop."""

        def get_logs(self: Any, **kwargs: Any) -> Iterator[str]:
            yield threading.current_thread().name

        (name,) = [item async for item in guard.stream(bind(get_logs=get_logs).verb("get_logs"), {})]
        assert name.startswith("Mine")

    @pytest.mark.parametrize(("items", "visits"), [(0, 1), (3, 1), (1000, 2), (2500, 3)])
    async def test_a_plain_generator_takes_few_visits_to_a_thread(
        self, guard: CallGuard, monkeypatch: pytest.MonkeyPatch, items: int, visits: int
    ) -> None:
        """One for a page of a log, which is read again and again: each would cost as much as a call."""
        run, seen = ThreadPool.run, []

        async def counting(pool: ThreadPool, function: Any) -> Any:
            seen.append(function)
            return await run(pool, function)

        def get_logs(self: Any, **kwargs: Any) -> Iterator[int]:
            yield from range(items)

        monkeypatch.setattr(ThreadPool, "run", counting)
        verb = bind(get_logs=get_logs).verb("get_logs")
        assert [item async for item in guard.stream(verb, {})] == list(range(items))
        assert len(seen) == visits

    async def test_an_error_half_way_comes_after_the_items(self, guard: CallGuard) -> None:
        """What was read is not lost, and the error is mapped as anywhere else."""

        async def get_logs(self: Any, **kwargs: Any) -> AsyncIterator[int]:
            yield 1
            raise ValueError("unforeseen")

        verb = bind(get_logs=get_logs).verb("get_logs")
        items: list[int] = []
        with pytest.raises(InternalError, match="failed unexpectedly"):  # noqa: PT012  (what came before the error counts)
            async for item in guard.stream(verb, {}):
                items.append(item)  # noqa: PERF401  (the items before the error are wanted)
        assert items == [1]
        assert verb.calls.by_code == {"INTERNAL": 1}

    async def test_a_stream_that_is_left_is_closed(self, guard: CallGuard) -> None:
        """The connector's connection is closed, and the call is counted as cancelled."""
        closed = asyncio.Event()

        async def get_logs(self: Any, **kwargs: Any) -> AsyncIterator[int]:
            try:
                while True:
                    yield 1
            finally:
                closed.set()

        verb = bind(get_logs=get_logs).verb("get_logs")
        stream: Any = guard.stream(verb, {})
        assert await stream.__anext__() == 1
        await stream.aclose()
        assert verb.calls.by_code == {"CANCELLED": 1}
        assert verb.calls.in_flight == 0
        await asyncio.wait_for(closed.wait(), 5)


async def test_calls_are_counted(guard: CallGuard) -> None:
    """How many, how they ended, and how long they took."""

    async def get(self: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.01)

    verb = bind(get=get).verb("get")
    await asyncio.gather(*(guard.call(verb, {}) for _ in range(3)))
    assert verb.calls.by_code == {"OK": 3}
    assert verb.calls.in_flight == 0
    assert 0.03 <= verb.calls.seconds_sum < 3
    assert sum(verb.calls.buckets) == 3


async def test_a_verb_gets_the_arguments_that_it_takes(guard: CallGuard) -> None:
    """And no others."""

    async def get(self: Any, resource_meta: Any) -> Any:
        return resource_meta

    arguments = {"resource_meta": "m", "output_prefix": "p", "password": "s"}
    assert await guard.call(bind(get=get).verb("get"), arguments) == "m"


async def test_a_raised_error_keeps_no_circle(guard: CallGuard) -> None:
    """Whoever walks the causes of an error comes to an end."""
    error = ConnectorError("x")

    async def get_logs(self: Any, **kwargs: Any) -> Any:
        raise error

    with pytest.raises(ConnectorError):
        _ = [item async for item in guard.stream(bind(get_logs=get_logs).verb("get_logs"), {})]
    assert error.__cause__ is not error
