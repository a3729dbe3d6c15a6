"""Asks several back ends about their jobs at once, so that one which does not answer delays no job of another."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context

from flyte_connectors.errors import ServiceUnavailableError

from flyte_connectors_batch_job import backends
from flyte_connectors_batch_job.backends.interface import JobKey, JobState, each

Answers = list["JobState | Exception"]

SECONDS_BESIDE_OTHERS = 1.0
"""For an answer that jobs of other back ends wait for; the question goes on, and the next poll has its answer."""

_QUESTIONS_AT_ONCE = 4  # to one back end


def states_of(asked: Mapping[str, Sequence[JobKey]]) -> dict[str, Answers]:
    """The states of jobs, by the name of their back end; of one that has not answered, why not.

    Args:
        asked: The jobs by the name of their back end.
    """
    if len(asked) == 1:
        return {name: _states(name, keys) for name, keys in asked.items()}
    futures = {name: _threads(name).submit(copy_context().run, _states, name, keys) for name, keys in asked.items()}
    wait(futures.values(), timeout=SECONDS_BESIDE_OTHERS)
    found: dict[str, Answers] = {}
    for name, future in futures.items():
        if future.done():
            found[name] = future.result()
        else:
            future.cancel()  # if it has not begun, behind others that wait
            late = ServiceUnavailableError(f"{name} has not answered for {SECONDS_BESIDE_OTHERS:g} s")
            found[name] = [late] * len(asked[name])
    return found


def _states(name: str, keys: Sequence[JobKey]) -> Answers:
    (known,) = each(backends.load(name).states, [list(keys)])
    return [known] * len(keys) if isinstance(known, Exception) else [*known]


@functools.cache
def _threads(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_QUESTIONS_AT_ONCE, thread_name_prefix=f"batch-jobs-{name}")
