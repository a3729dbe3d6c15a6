"""Callers that never pause while their service is stopped, and the results of their calls.

python -m tests.service.callers --rounds 20 --replicas 2
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc
from typing_extensions import Self

from tests.fakes.requests import category, create_request
from tests.fakes.serve_process import serving
from tests.service.client import OWN_CONNECTION
from tests.service.paced import RECORD_VARIABLE, TASK_TYPE

POLLERS = 40
CREATORS = 6
SHARING = 5  # callers per connection
MODULE = "tests.service.paced"
SECONDS_BEFORE = 0.5
SECONDS_AFTER = 0.2
_PACE = 0.02  # seconds between two calls of a caller that does not wait for replies
_PAUSE = 0.01  # seconds after an error
_DEADLINE = 20.0


@dataclasses.dataclass
class Outcome:
    """How the calls around one signal ended.

    Attributes:
        codes: Calls by verb and status code.
        lost: Jobs that were started although their create ended with an error.
        drain: Seconds from the signal to the end of the process.
        exit_code: That of the process.
        log: What it wrote to standard error.
    """

    codes: collections.Counter[tuple[str, str]]
    lost: int
    drain: float
    exit_code: int
    log: str

    @property
    def errors(self) -> dict[str, int]:
        """The calls that failed, by status code."""
        failed: collections.Counter[str] = collections.Counter()
        for (_, code), number in self.codes.items():
            failed[code] += number
        failed.pop("OK", None)
        return dict(failed)


class Callers:
    """Pollers that call every 20 ms, replied to or not, and creators that call as fast as they can.

    Args:
        addresses: Replicas of the service; each connection balances its calls over them.
        slow_create: Seconds that one more create takes, on the first replica, if any.
    """

    def __init__(self, addresses: Sequence[str], *, slow_create: float = 0) -> None:
        self._addresses = addresses
        self._slow_create = slow_create
        self._calling = True
        self._tasks: list[asyncio.Task[None]] = []
        self._channels: list[grpc.aio.Channel] = []
        self.codes: collections.Counter[tuple[str, str]] = collections.Counter()
        self.created = 0

    async def __aenter__(self) -> Self:
        stub = self._connect()
        answer = await stub.CreateTask(create_request(TASK_TYPE, run="polled"))
        self.created += 1
        poll = pb.GetTaskRequest(resource_meta=answer.resource_meta, task_category=category(create_request(TASK_TYPE)))
        for number in range(POLLERS + CREATORS):
            if number % SHARING == 0:
                stub = self._connect()
            calls = self._poll(stub, poll) if number < POLLERS else self._create(stub, number)
            self._tasks.append(asyncio.create_task(calls))
        if self._slow_create:
            request = create_request(TASK_TYPE, run="slow", custom={"seconds": str(self._slow_create)})
            call = self._connect(self._addresses[:1]).CreateTask(request, timeout=_DEADLINE)
            self._tasks.append(asyncio.create_task(self._count("slow create", call)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._calling = False
        await asyncio.gather(*self._tasks)
        await asyncio.gather(*(channel.close() for channel in self._channels))

    def _connect(self, addresses: Sequence[str] = ()) -> service_pb2_grpc.AsyncConnectorServiceStub:
        options = [
            *OWN_CONNECTION,
            ("grpc.lb_policy_name", "round_robin"),
            ("grpc.default_authority", "localhost"),  # h2corn refuses that of a list of addresses
        ]
        target = f"ipv4:{','.join(addresses or self._addresses)}"
        self._channels.append(grpc.aio.insecure_channel(target, options=options))
        return service_pb2_grpc.AsyncConnectorServiceStub(self._channels[-1])

    async def _poll(self, stub: service_pb2_grpc.AsyncConnectorServiceStub, request: pb.GetTaskRequest) -> None:
        calls = []
        while self._calling:
            call = stub.GetTask(request, timeout=_DEADLINE)
            calls.append(asyncio.create_task(self._count("get", call)))
            await asyncio.sleep(_PACE)
        await asyncio.gather(*calls)

    async def _create(self, stub: service_pb2_grpc.AsyncConnectorServiceStub, number: int) -> None:
        count = 0
        while self._calling:
            request = create_request(TASK_TYPE, run=f"run-{number}-{count}")
            await self._count("create", stub.CreateTask(request, timeout=_DEADLINE))
            count += 1

    async def _count(self, verb: str, call: grpc.aio.UnaryUnaryCall) -> None:
        try:
            await call
            code = "OK"
            self.created += verb.endswith("create")
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            await asyncio.sleep(_PAUSE)
        self.codes[verb, code] += 1


async def stop_under_load(
    folder: Path,
    *,
    number: signal.Signals = signal.SIGTERM,
    replicas: int = 1,
    silent: int = 1,
    slow_create: float = 0,
) -> Outcome:
    """Stop a service while it is called.

    Args:
        folder: An empty folder.
        number: The signal.
        replicas: How many services there are; the first one is stopped.
        silent: TCP connections to it on which nobody ever says anything.
        slow_create: Seconds that one of the creates takes.
    """
    record = folder / "record"
    record.touch()
    arguments = ("--module", MODULE, "--allow", "")
    with contextlib.ExitStack() as stack:
        services = [
            stack.enter_context(serving(*arguments, log=folder / f"log-{n}", env={RECORD_VARIABLE: str(record)}))
            for n in range(replicas)
        ]
        stopped = services[0]
        for _ in range(silent):
            stack.enter_context(socket.create_connection(("127.0.0.1", stopped.port)))
        addresses = [service.address for service in services]
        async with Callers(addresses, slow_create=slow_create) as callers:
            await asyncio.sleep(SECONDS_BEFORE)
            started = time.monotonic()
            stopped.signal(number)
            exit_code = await asyncio.to_thread(stopped.process.wait, 60)
            drain = time.monotonic() - started
            await asyncio.sleep(SECONDS_AFTER)
        jobs = len(set(record.read_text().split()))
        log = stopped.log.read_text()
    return Outcome(callers.codes, jobs - callers.created, drain, exit_code, log)


async def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--slow-create", type=float, default=0)
    options = parser.parse_args()
    total: collections.Counter[tuple[str, str]] = collections.Counter()
    longest = lost = 0.0
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            outcome = await stop_under_load(Path(folder), replicas=options.replicas, slow_create=options.slow_create)
        total += outcome.codes
        longest, lost = max(longest, outcome.drain), lost + outcome.lost
        print(f"drained in {outcome.drain:5.2f} s, errors: {outcome.errors or 'none'}", flush=True)
    calls = ", ".join(f"{verb} {code} {number}" for (verb, code), number in sorted(total.items()))
    print(f"{options.rounds} signals, longest {longest:.2f} s, {lost:.0f} jobs lost; {calls}")
    return int(lost > 0 or any(code not in ("OK", "UNAVAILABLE") for _, code in total))


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
