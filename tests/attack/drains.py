"""Services that are stopped while their callers never pause.

A call that was sent before its client could know must be served, or refused as UNAVAILABLE, which every
client tries elsewhere; CANCELLED would burn one of the task's retries. Who holds a connection and says
nothing has no claim to the grace time.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tests.backend.rush import Rush
from tests.fakes.serve_process import start

if TYPE_CHECKING:
    from pathlib import Path

    from .report import Tally
    from .setting import Setting

NEIGHBOURS = "tests.backend.neighbours"
GRACE_SECONDS = 10.0
QUICK_SECONDS = 4.0
"""Until a service without unfinished calls must have ended."""
RUSH_SECONDS = 0.7
ACCEPTED = {"OK", "UNAVAILABLE"}


async def play(setting: Setting, tally: Tally) -> None:
    """End services again and again, by either signal, then beside silent connections."""
    log = setting.folder("drains") / "log"
    rounds = {signal.SIGTERM: 20, signal.SIGHUP: 5} if setting.full else {signal.SIGTERM: 3}
    for number in (each for each, count in rounds.items() for _ in range(count)):
        await end_in_a_rush(number, log, tally)
    for silence in SILENCES if setting.full else ("a connection that says nothing",):
        await end_beside_silence(silence, SILENCES[silence], log, tally)


async def end_in_a_rush(number: signal.Signals, log: Path, tally: Tally) -> None:
    """One ending under 40 pollers and 6 creators."""
    case = f"{number.name} in a rush"
    tally.tried(case)
    service = start("--module", NEIGHBOURS, "--grace", f"{GRACE_SECONDS:g}", log=log)
    try:
        rush = Rush(service.address)
        async with rush.running():
            await asyncio.sleep(RUSH_SECONDS)
            service.signal(number)
            began = time.monotonic()
            code = await asyncio.to_thread(service.process.wait, GRACE_SECONDS + 5)
            took = time.monotonic() - began
        for (method, ended), count in rush.codes.items():
            if ended not in ACCEPTED:
                details = rush.examples[method, ended]
                tally.fell(case, f"{count} {method} ended {ended}: {details}")
        if code:
            tally.fell(case, f"the service ended with {code}")
        if took > QUICK_SECONDS:
            tally.fell(case, f"the service took {took:.1f} s to end")
    finally:
        service.process.kill()
        service.process.wait()


SILENCES = {
    "a connection that says nothing": b"",
    "half a preface": b"PRI * HTTP/2.0\r\n",
    "a preface and nothing more": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "a client of HTTP/1": b"GET / HTTP/1.1\r\nHost: x\r\n",
}


async def end_beside_silence(case: str, said: bytes, log: Path, tally: Tally) -> None:
    """One ending while connections are open on both ports, on which nobody asks anything."""
    tally.tried(case)
    service = start("--module", NEIGHBOURS, "--grace", f"{GRACE_SECONDS:g}", log=log)
    try:
        async with AsyncExitStack() as connections:
            for address in (service.address, service.metrics):
                connection = socket.create_connection(("127.0.0.1", int(address.split(":")[-1])))
                connections.callback(connection.close)
                connection.sendall(said)
            await asyncio.sleep(0.3)
            service.signal(signal.SIGTERM)
            began = time.monotonic()
            await asyncio.to_thread(service.process.wait, GRACE_SECONDS + 5)
            took = time.monotonic() - began
        if took > QUICK_SECONDS:
            tally.fell(case, f"the service took {took:.1f} s to end")
    finally:
        service.process.kill()
        service.process.wait()
