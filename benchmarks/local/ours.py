"""Local runs with our executor. Its twin is `peer.py`.

    python ours.py single RUNS
    python ours.py at-once RUNS
    python ours.py poll JOBS INTERVAL SECONDS

Each prints one JSON object. Many runs share one execution, as a workflow's would.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte_connectors import (
    AsyncConnector,
    AsyncConnectorExecutorMixin,
    ConnectorRegistry,
    NativeInterface,
    Phase,
    Resource,
    ResourceMeta,
    TaskTemplate,
    run,
)
from flyte_connectors.client.job_loop import RunPolicy, run_job
from flyte_connectors.tasks.current_run import CurrentRun, within_run
from flyte_connectors.tasks.mixins import request_for
from polls import Polls

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Job(ResourceMeta):
    """What identifies a job; -1 is one that is done at the first poll."""

    job_id: int


class LocalConnector(AsyncConnector[Job]):
    """A job that is done at once, or one that is polled until `polls` has seen enough."""

    name = "Local Connector"
    task_type_name = "benchmark"
    metadata_type = Job
    polls: Polls

    async def create(self, inputs: Mapping[str, Any], **_: Any) -> Job:  # type: ignore[override]
        """Take the number from the input."""
        return Job(inputs["job_id"])

    async def get(self, resource_meta: Job, **_: Any) -> Resource:
        """Report the state."""
        if resource_meta.job_id >= 0:
            self.polls.poll(resource_meta.job_id)
            if not self.polls.is_over:
                return Resource(phase=Phase.RUNNING)
        return Resource(phase=Phase.SUCCEEDED, outputs={"answer": resource_meta.job_id})

    async def delete(self, resource_meta: Job, **_: Any) -> None:
        """Nothing to cancel."""


class LocalTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task of the connector."""

    def __init__(self, name: str) -> None:
        interface = NativeInterface(inputs={"job_id": int}, outputs={"answer": int})
        super().__init__(name=name, interface=interface, task_type="benchmark")


connector = LocalConnector()
ConnectorRegistry.register(connector)
task = LocalTask("job")


async def run_at_once(runs: int) -> float:
    """Start all runs together.

    Returns:
        Seconds until the last has ended.
    """
    with within_run(CurrentRun()):
        started = time.perf_counter()
        answers = await asyncio.gather(*(task.execute(job_id=-1) for _ in range(runs)))
        seconds = time.perf_counter() - started
    if set(answers) != {-1}:
        message = f"unexpected answers: {set(answers)}"
        raise ValueError(message)
    return seconds


async def poll(jobs: int, interval: float, seconds: float) -> None:
    """Run `jobs` jobs together, polled every `interval` seconds; watch for `seconds`."""
    policy = RunPolicy(shortest_poll=interval, longest_poll=interval)
    template = task.to_proto()
    execution = CurrentRun()
    connector.polls = Polls(jobs, interval)
    observing = asyncio.create_task(connector.polls.observe(seconds))
    runs = []
    async for job in connector.polls.starting():
        inputs = task.interface.write_inputs(task.name, {"job_id": job})
        request = request_for(template, inputs, execution)
        runs.append(asyncio.create_task(run_job(execution.client, request, policy)))
    await observing
    await asyncio.gather(*runs)


def single(runs: int) -> float:
    """Run one after another, the first untimed.

    Returns:
        Seconds for one run.
    """
    run(task, job_id=-1)
    started = time.perf_counter()
    for _ in range(runs):
        run(task, job_id=-1)
    return (time.perf_counter() - started) / runs


def main(mode: str, *numbers: str) -> None:
    """Run one of the three programs."""
    if mode == "single":
        print(json.dumps({"seconds": single(int(numbers[0]))}))
    elif mode == "at-once":
        print(json.dumps({"seconds": asyncio.run(run_at_once(int(numbers[0])))}))
    else:
        jobs, interval, seconds = numbers
        asyncio.run(poll(int(jobs), float(interval), float(seconds)))


if __name__ == "__main__":
    main(*sys.argv[1:])
