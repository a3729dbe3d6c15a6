"""Local runs with the official SDK. Its twin is `ours.py`.

    python peer.py single RUNS
    python peer.py at-once RUNS
    python peer.py poll JOBS INTERVAL SECONDS

Each prints one JSON object. Many runs share one driver task, as a workflow's would.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import flyte
from flyte.connectors import (
    AsyncConnector,
    AsyncConnectorExecutorMixin,
    ConnectorRegistry,
    Resource,
    ResourceMeta,
)
from flyte.extend import TaskTemplate
from flyte.models import NativeInterface, SerializationContext
from flyteidl2.core.execution_pb2 import TaskExecution
from polls import Polls


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

    async def create(self, inputs: dict[str, Any], **_: Any) -> Job:  # type: ignore[override]
        """Take the number from the input."""
        return Job(inputs["job_id"])

    async def get(self, resource_meta: Job, **_: Any) -> Resource:
        """Report the state."""
        if resource_meta.job_id >= 0:
            self.polls.poll(resource_meta.job_id)
            if not self.polls.is_over:
                return Resource(phase=TaskExecution.RUNNING)
        outputs = {"answer": resource_meta.job_id}
        return Resource(phase=TaskExecution.SUCCEEDED, outputs=outputs)

    async def delete(self, resource_meta: Job, **_: Any) -> None:
        """Nothing to cancel."""


class LocalTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task of the connector."""

    def __init__(self, name: str) -> None:
        interface = NativeInterface.from_types({"job_id": (int, -1)}, {"answer": int})
        super().__init__(name=name, interface=interface, task_type="benchmark", image=None)

    def custom_config(self, sctx: SerializationContext) -> dict[str, str]:  # noqa: ARG002
        """Nothing in it is read, but empty it would not travel."""
        return {"kind": "benchmark"}


connector = LocalConnector()
ConnectorRegistry.register(connector)
task = LocalTask("job")
environment = flyte.TaskEnvironment.from_task("jobs", task)
driver = flyte.TaskEnvironment(name="driver", depends_on=[environment])


@driver.task
async def run_at_once(runs: int) -> float:
    """Start all runs together.

    Returns:
        Seconds until the last has ended.
    """
    started = time.perf_counter()
    answers = await asyncio.gather(*(task.execute(job_id=-1) for _ in range(runs)))
    seconds = time.perf_counter() - started
    if set(answers) != {(-1,)}:
        message = f"unexpected answers: {set(answers)}"
        raise ValueError(message)
    return seconds


@driver.task
async def poll(jobs: int, interval: float, seconds: float) -> None:
    """Run `jobs` jobs together, which the SDK polls every 3 seconds; watch for `seconds`."""
    connector.polls = Polls(jobs, interval)
    observing = asyncio.create_task(connector.polls.observe(seconds))
    starting = connector.polls.starting()
    runs = [asyncio.create_task(task.execute(job_id=job)) async for job in starting]
    await observing
    await asyncio.gather(*runs)


def single(runs: int) -> float:
    """Run one after another, the first untimed.

    Returns:
        Seconds for one run.
    """
    context = flyte.with_runcontext(mode="local")
    context.run(task, job_id=-1)
    started = time.perf_counter()
    for _ in range(runs):
        context.run(task, job_id=-1)
    return (time.perf_counter() - started) / runs


def main(mode: str, *numbers: str) -> None:
    """Run one of the three programs."""
    flyte.init()
    context = flyte.with_runcontext(mode="local")
    if mode == "single":
        print(json.dumps({"seconds": single(int(numbers[0]))}))
    elif mode == "at-once":
        print(json.dumps({"seconds": context.run(run_at_once, runs=int(numbers[0])).outputs()[0]}))
    else:
        jobs, interval, seconds = numbers
        context.run(poll, jobs=int(jobs), interval=float(interval), seconds=float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
