"""Hundreds of thousands of requests that no back end would send, at a service that others use.

A bad request is an error of its caller: INTERNAL is for faults of the service. The service has to live,
to keep its memory, to answer others in time, and to show no secret.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from tests.fakes.requests import create_request
from tests.fakes.serve_process import ServeProcess, start
from tests.service.client import Client
from tests.service.http import fetch

from .canaries import Watch, canary
from .fuzz_requests import TYPES, VERBS, Gun, Shot
from .fuzz_sockets import knock

if TYPE_CHECKING:
    from .report import Tally
    from .setting import Setting

MODULE = "tests.attack.honest_connector"
FULL, SHORT = 200_000, 4_000
SENDERS = 48
CHANNELS = 4
MEMORY_BOUND_MB = 60.0
LATENCY_BOUND_MS = 500.0
POLLS_FOR_A_PERCENTILE = 1_000
"""Below, the 99th percentile is a few polls, and tells of the machine: the short form only counts failures."""
SERIES_BOUND = 2_000
CORRELATION = re.compile(r"\b[0-9a-f]{8,}\b")
DIGITS = re.compile(r"-?\d+")
FAULTS = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "CANCELLED"}
SECRETS = {name: canary(name) for name in ("sent", "held", "filed")}
WATCH = Watch(SECRETS)


async def play(setting: Setting, tally: Tally) -> None:
    """Shoot, and watch the service all the while."""
    folder = setting.folder("fuzz")
    service = serve(folder)
    try:
        await shoot(setting, tally, service)
        await look_at(service, tally)
    finally:
        service.process.kill()
        service.process.wait()


def serve(folder: Path) -> ServeProcess:
    """A service that holds secrets, and hosts every connector."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / "filed-key").write_text(SECRETS["filed"])
    env = {
        "FLYTE_CONNECTORS_SECRETS_DIR": str(folder / "secrets"),
        "FLYTE_SECRET_HELD_KEY": SECRETS["held"],
        "FLYTE_BATCH_JOB_SPOOL": str(folder / "spool"),
        "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS": "",
    }
    return start("--module", MODULE, "--log-level", "debug", log=folder / "log", env=env)


async def shoot(setting: Setting, tally: Tally, service: ServeProcess) -> None:
    """Send everything, with `SENDERS` requests at a time; an innocent poller tells how that feels."""
    count = FULL if setting.full else SHORT
    gun = Gun(setting.draw("fuzz"), await metas(service), SECRETS["sent"])
    codes: collections.Counter[str] = collections.Counter()
    memory: list[float] = []
    async with AsyncExitStack() as stack:
        poller = await stack.enter_async_context(innocent(service))
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(service.address, options))
            for _ in range(CHANNELS)
        ]

        async def send(channel: grpc.aio.Channel) -> None:
            while tally_count() < count:
                shot = gun.shot()
                tally.tried(shot.kind)
                code, said = await fire(channel, shot)
                codes[code] += 1
                judge(tally, shot, code, said)
                if tally_count() >= count * len(memory) / 10:
                    memory.append(resident(service))
                    setting.progress(f"fuzz: {tally_count():,}, {memory[-1]:.0f} MB")

        def tally_count() -> int:
            return sum(row.tried for row in tally.rows.values())

        knocking = knock(service, tally, setting.draw("sockets"), count // 100)
        await asyncio.gather(knocking, *(send(channels[n % CHANNELS]) for n in range(SENDERS)))
        poller.stdin.close()
        latencies = json.loads(await asyncio.wait_for(poller.stdout.read(), 20))
    judge_service(tally, service, memory, latencies)
    tally.notes |= {"codes": dict(codes.most_common()), "poller": latencies}


async def metas(service: ServeProcess) -> dict[str, bytes]:
    """Metas of real jobs."""
    found = {}
    async with Client(service.address) as client:
        for task_type, version in TYPES.items():
            found[task_type] = (await client.create(task_type, version)).meta
        found["batch_job"] = (await client.send(create_request("batch_job", custom={"command": ["/bin/true"]}))).meta
    return found


class innocent:  # noqa: N801 - used like a function
    """Polls a job of its own from a process of its own, so that only the service is measured."""

    def __init__(self, service: ServeProcess) -> None:
        self._address = service.address

    async def __aenter__(self) -> Any:
        command = (sys.executable, "-m", "tests.attack.innocent_poller", self._address)
        pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
        self._process = await asyncio.create_subprocess_exec(*command, **pipes)
        return self._process

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


async def fire(channel: grpc.aio.Channel, shot: Shot) -> tuple[str, list[bytes]]:
    """The code that a request ends with, and all that came back."""
    make = channel.unary_stream if shot.is_stream else channel.unary_unary
    call = make(shot.method)(
        shot.payload,
        timeout=shot.timeout,
        metadata=shot.metadata,
        compression=shot.compression,
    )
    if shot.cancel_after is not None:
        asyncio.get_running_loop().call_later(shot.cancel_after, call.cancel)
    try:
        if not shot.is_stream:
            return "OK", [await call]
        said = []
        async for message in call:
            said.append(message)
            if shot.method.endswith("Watch") or len(said) > 100:
                call.cancel()
                return "OK", said
        return "OK", said
    except grpc.aio.AioRpcError as error:
        said = [error.details() or "", str(error.trailing_metadata())]
        return error.code().name, [text.encode(errors="replace") for text in said]
    except asyncio.CancelledError:
        if shot.cancel_after is None:
            raise
        return "CANCELLED", []


def judge(tally: Tally, shot: Shot, code: str, said: list[bytes]) -> None:
    """Count the request if its answer is none that a bad request should get."""
    is_fault = code in FAULTS or (code == "DEADLINE_EXCEEDED" and shot.timeout > 1)
    if code == "CANCELLED" and shot.cancel_after is not None:
        is_fault = False
    if is_fault:
        text = said[0].decode(errors="replace") if said else ""
        service, _, verb = shot.method.rpartition("/")
        what = f"{code} of {verb}: {CORRELATION.sub('ID', text)[:120]}"
        tally.fell(shot.kind, f"{what} {service} {shot.payload[:600].hex()}", alike=what)
    if any(seen := [WATCH.seen(data) for data in said]) and not is_config(shot):
        tally.fell(shot.kind, f"{shot.method} shows {seen[0]}: {shot.payload[:600].hex()}")


def is_config(shot: Shot) -> bool:
    """Whether the canary was sent as a configuration value, which is no secret: one bit makes it that."""
    message = VERBS.get(shot.method.rpartition("/")[2])
    with contextlib.suppress(AttributeError, DecodeError):
        connection = message.FromString(shot.payload).connection  # type: ignore[union-attr]
        return SECRETS["sent"] in connection.configs.values()
    return False


def judge_service(tally: Tally, service: ServeProcess, memory: list[float], latencies: dict[str, float]) -> None:
    """What the requests together have done to the service, and to others."""
    tally.tried("the service itself")
    if service.process.poll() is not None:
        tally.fell("the service itself", f"it ended with {service.process.returncode}")
    tally.notes["resident MB"] = [round(mb) for mb in memory]
    if len(memory) > 2 and memory[-1] - memory[1] > MEMORY_BOUND_MB:
        tally.fell("the service itself", f"grew from {memory[1]:.0f} to {memory[-1]:.0f} MB")
    is_slow = latencies["p99_ms"] > LATENCY_BOUND_MS and latencies["polls"] >= POLLS_FOR_A_PERCENTILE
    if latencies["failed"] or is_slow:
        tally.fell("the service itself", f"felt by others: {latencies}")


async def look_at(service: ServeProcess, tally: Tally) -> None:
    """Search what the service shows besides replies."""
    tally.tried("log and metrics")
    page = (await fetch(service.metrics, "/metrics")).body
    for text in (page, service.log.read_text(errors="replace")):
        for line in text.splitlines():
            if seen := WATCH.seen(line):
                tally.fell("log and metrics", f"shows {seen}: {line[:200]}")
    tally.notes["faults in the log"] = faults(service.log.read_text(errors="replace"))
    series = sum(not line.startswith("#") for line in page.splitlines())
    tally.notes["metric series"] = series
    if series > SERIES_BOUND:
        tally.fell("log and metrics", f"{series} metric series: callers can make them")


def faults(log: str) -> dict[str, int]:
    """The tracebacks in a log by the last place in this project, with counts."""
    found: collections.Counter[str] = collections.Counter()
    place, inside = "", False
    for line in log.splitlines():
        if line.startswith("Traceback"):
            place, inside = "", True
        elif inside and line.startswith("  File "):
            place = line.partition("flyte_connectors/")[2] or place
        elif inside and line and not line.startswith(" "):
            found[f"{place}: {DIGITS.sub('#', line)[:100]}"] += 1
            inside = False
    return dict(found.most_common(15))


def resident(service: ServeProcess) -> float:
    """Resident memory of the service, in MB."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0")
    return int(line.split()[1]) / 1024
