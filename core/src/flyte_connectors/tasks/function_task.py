"""Tasks made of functions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

from flyte_connectors.tasks.calls import call_function, call_task, run_in_thread
from flyte_connectors.tasks.current_run import current_run, within_run
from flyte_connectors.tasks.interface import NativeInterface
from flyte_connectors.tasks.template import TaskTemplate

P = ParamSpec("P")
R = TypeVar("R")

_MOST_AT_ONCE = 64


class FunctionTask(TaskTemplate, Generic[P, R]):
    """A task whose body is a Python function, sync or async; it is called as the function is."""

    def __init__(self, function: Callable[P, R], name: str, **kwargs: Any) -> None:
        super().__init__(name, NativeInterface.from_callable(function), **kwargs)
        self.function: Callable[..., Any] = function
        self.__doc__ = function.__doc__

    async def execute(self, **kwargs: Any) -> Any:
        """Run the function; a plain one in a thread, so that it may call other tasks."""
        inputs = self._checked(kwargs)
        with within_run(current_run()):
            if inspect.iscoroutinefunction(self.function):
                result = await self.function(**inputs)
            else:
                result = await run_in_thread(self.function, inputs)
        return self._checked_result(result)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function: plain ones at once, async ones as `TaskTemplate.__call__` does."""
        inputs = self.interface.bind(self.name, args, kwargs)
        result: R
        if inspect.iscoroutinefunction(self.function):
            result = call_task(self.execute, inputs)
        else:
            with within_run(current_run()):
                result = self._checked_result(call_function(self.function, self._checked(inputs)))
        return result

    def map(self, values: Iterable[Any], /, *, at_once: int = _MOST_AT_ONCE, **others: Any) -> Any:
        """Run the function for each value of its first input, several at a time.

        Args:
            values: The values.
            at_once: Most calls that run, or wait for their turn in another system, at a time.
            **others: The other inputs, the same for each.

        Returns:
            The list of the outputs, in the order of `values`; an awaitable of it where a loop is running.

        Raises:
            TaskFailedError: one of the calls failed; the others are cancelled.
        """
        calls = [self.interface.bind(self.name, (value,), others) for value in values]
        return call_task(self._map, {"calls": calls, "at_once": at_once})

    async def _map(self, calls: list[dict[str, Any]], at_once: int) -> list[Any]:
        free = asyncio.Semaphore(at_once)

        async def one(inputs: dict[str, Any]) -> Any:
            async with free:
                return await self.execute(**inputs)

        running = [asyncio.ensure_future(one(inputs)) for inputs in calls]
        try:
            return await asyncio.gather(*running)
        except BaseException:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            raise

    def _checked(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Bound inputs, each of its declared type.

        Raises:
            InvalidRequestError: an input is missing, undeclared or of the wrong type.
        """
        inputs = self.interface.bind(self.name, (), kwargs)
        self.interface.write_inputs(self.name, inputs)
        return inputs

    def _checked_result(self, result: Any) -> Any:
        """The function's result, each output of its declared type.

        Raises:
            TaskFailedError: an output is missing or of the wrong type.
        """
        self.interface.write_outputs(self.name, result)
        return result
