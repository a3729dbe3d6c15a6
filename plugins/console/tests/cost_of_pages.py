"""What open pages cost the gRPC side: `nox -s pages`.

    python cost_of_pages.py --rounds 10 --pages 200 --jobs 10

In each round, GetTask is called at a fixed rate for some seconds with the pages open, and for as long without; the
order alternates. The pages follow real batch jobs that write a line a second, as a browser does, from a process of
their own; its priority is the lowest, because browsers run on other machines. GetTask asks for jobs of a connector that
answers at once, because batch jobs are asked about together, which takes 25 ms. A call's time counts from when it was due. Reported are the 99th percentiles, and the ratio of those of all rounds; with `--at-most 1.1` the
exit code is 1 if it is larger. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import grpc
import psutil
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector.service_pb2_grpc import AsyncConnectorServiceStub
from processes import Served, serving

from flyte_connectors_console.job_address import JobAddress

SETTLE_SECONDS = 2.0
SECONDS_TO_CLOSE = 5.0  # until the service has noticed that pages were closed; it has places for 256
PLAIN = Path(__file__).parent / "plain_connector.py"
SCRIPT = 'for i in $(seq 1 3600); do echo "line $i of a job that is looked at"; sleep 1; done'


class Phase(NamedTuple):
    """How it went: milliseconds of each call, and the share of a core that the service used."""

    times: list[float]
    cpu: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print; 1 if the pages cost more than allowed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--rounds", type=int, default=10)
    add("--seconds", type=float, default=15.0, help="of each half of a round")
    add("--rate", type=float, default=200.0, help="calls a second")
    add("--pages", type=int, default=200)
    add("--jobs", type=int, default=10, help="that the pages show")
    add("--at-most", type=float, default=float("inf"), help="ratio of the 99th percentiles")
    add("--hold", nargs="+", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.hold:
        os.nice(19)
        asyncio.run(_hold(options.hold))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the jobs are cancelled all the same
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLYTE_")}
        environment = {
            **kept,
            "FLYTE_CONNECTORS_STATE_DIR": f"{folder}/state",
            "FLYTE_BATCH_JOB_SPOOL": f"{folder}/spool",
            "FLYTE_BATCH_JOB_SLOTS": str(options.jobs),
            "FLYTE_CONNECTORS_ALLOW": "flyte-connectors-batch-job,flyte-connectors-console",
        }
        with serving(environment, "--module", str(PLAIN)) as served:
            ratio = asyncio.run(_measure(served, options))
    return int(ratio > options.at_most)


async def _measure(served: Served, options: argparse.Namespace) -> float:
    async with grpc.aio.insecure_channel(served.grpc) as channel:
        stub = AsyncConnectorServiceStub(channel)
        shown = [await _started(stub, "batch_job", number) for number in range(options.jobs)]
        asked = [await _started(stub, "plain", number) for number in range(options.jobs)]
        try:
            return await _rounds(served, stub, (shown, asked), options)
        finally:
            for request in shown:
                await stub.DeleteTask(
                    pb.DeleteTaskRequest(resource_meta=request.resource_meta, task_category=request.task_category)
                )


async def _rounds(
    served: Served,
    stub: AsyncConnectorServiceStub,
    jobs: tuple[list[pb.GetTaskRequest], list[pb.GetTaskRequest]],
    options: argparse.Namespace,
) -> float:
    shown, asked = jobs
    urls = [served.console + JobAddress("batch_job", request.resource_meta).path for request in shown]
    wanted = [urls[number % len(urls)] for number in range(options.pages)]
    await _load(served, stub, asked, options.rate, 3.0)  # until all is warm
    found: dict[bool, list[Phase]] = {False: [], True: []}
    for number in range(options.rounds):
        for with_pages in (True, False) if number % 2 else (False, True):
            holder = _opened(wanted) if with_pages else None
            await asyncio.sleep(SETTLE_SECONDS)
            load = _load(served, stub, asked, options.rate, options.seconds)
            found[with_pages].append(await load)
            if holder is not None:
                if holder.poll() is not None:
                    raise RuntimeError("the pages were not open until the end")
                holder.terminate()
                holder.wait()
                await asyncio.sleep(SECONDS_TO_CLOSE)
        without, beside = found[False][-1], found[True][-1]
        print(
            f"round {number + 1:2}: p99 {_p99(without.times):6.2f} ms without, {_p99(beside.times):6.2f} ms with "
            f"{options.pages} pages ({_p99(beside.times) / _p99(without.times):.2f}); "
            f"p50 {statistics.median(without.times):.2f}, {statistics.median(beside.times):.2f} ms; "
            f"{without.cpu:.0%}, {beside.cpu:.0%} of a core",
            flush=True,
        )
    pooled = {key: [ms for phase in phases for ms in phase.times] for key, phases in found.items()}
    ratio = _p99(pooled[True]) / _p99(pooled[False])
    each = [_p99(b.times) / _p99(a.times) for a, b in zip(found[False], found[True], strict=True)]
    print(
        f"p99 of all rounds: {_p99(pooled[False]):.2f} ms without, {_p99(pooled[True]):.2f} ms with pages: "
        f"{ratio:.3f}; the rounds' median: {statistics.median(each):.3f}"
    )
    return ratio


async def _started(stub: AsyncConnectorServiceStub, task_type: str, number: int) -> pb.GetTaskRequest:
    request = pb.CreateTaskRequest()
    request.template.type = task_type
    request.template.custom.update({"script": SCRIPT, "timeout_seconds": 3600})
    node = request.task_execution_metadata.task_execution_id.node_execution_id
    node.execution_id.name, node.node_id = f"looked-at-{number}", "a0"
    reply = await stub.CreateTask(request)
    category = pb.TaskCategory(name=task_type)
    return pb.GetTaskRequest(resource_meta=reply.resource_meta, task_category=category)


async def _load(
    served: Served,
    stub: AsyncConnectorServiceStub,
    requests: list[pb.GetTaskRequest],
    rate: float,
    seconds: float,
) -> Phase:
    times: list[float] = []

    async def call(due: float, request: pb.GetTaskRequest) -> None:
        await stub.GetTask(request)
        times.append(1000 * (time.perf_counter() - due))

    process = psutil.Process(served.process.pid)
    used, began = sum(process.cpu_times()[:2]), time.perf_counter()
    calls = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        calls.append(asyncio.ensure_future(call(due, requests[number % len(requests)])))
    await asyncio.gather(*calls)
    passed = time.perf_counter() - began
    return Phase(times, (sum(process.cpu_times()[:2]) - used) / passed)


def _p99(milliseconds: list[float]) -> float:
    return sorted(milliseconds)[int(0.99 * len(milliseconds))]


def _opened(urls: list[str]) -> subprocess.Popen[str]:
    """A process that has all pages open, and reads what they are sent."""
    command = [sys.executable, str(Path(__file__)), "--hold", *urls]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if not process.stdout.readline():
        raise RuntimeError("the pages could not be opened")
    return process


async def _hold(urls: list[str]) -> None:
    """Read the events of pages until the process is ended."""
    first = asyncio.Semaphore(0)

    async def read(url: str) -> None:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
        writer.write(f"GET {parts.path}/events HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        await reader.readuntil(b"event: log")
        first.release()
        while await reader.read(65_536):
            pass
        raise ConnectionResetError(url)

    pages = [asyncio.ensure_future(read(url)) for url in urls]
    for _ in pages:
        await first.acquire()
    print("open", flush=True)
    await asyncio.gather(*pages)


if __name__ == "__main__":
    sys.exit(main())
