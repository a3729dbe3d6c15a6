"""Several workers on one port: real processes, killed, replaced and drained."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2

from tests.fakes.job_service import JobService, until
from tests.fakes.serve_process import COMMAND, FAKE, ROOT, ServeProcess, serving
from tests.service.client import OWN_CONNECTION, Client
from tests.service.http import fetch

pytestmark = pytest.mark.alone

WORKERS = 2
# gRPC would share one connection among channels that are alike; each is to reach any worker.
ARGUMENTS = (
    "--module",
    FAKE,
    "--module",
    "tests.hardening.process_connector",
    "--workers",
    str(WORKERS),
)
SECONDS = 20.0


@pytest.fixture
def service(jobs: JobService, tmp_path: Path) -> Iterator[ServeProcess]:
    """A supervisor with two workers; none of them outlives the test."""
    with serving(*ARGUMENTS, "--grace", "8", log=tmp_path / "log") as service:
        yield service


def workers_of(service: ServeProcess) -> set[int]:
    """The process ids of the workers."""
    return {child.pid for child in psutil.Process(service.process.pid).children()}


def is_running(pid: int) -> bool:
    """Whether a process does anything any more; one that nobody has reaped does not.

    While threads beside a dead main thread end, its sockets are still open.
    """
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    except psutil.NoSuchProcess:
        return False


async def whereabouts(service: ServeProcess, **custom: Any) -> int:
    """The process that answers a new connection."""
    async with Client(service.address, OWN_CONNECTION) as client:
        job = await client.create("whereabouts", outputs={"pid": int}, custom={"x": 1, **custom})
        resource = await job.get()
    pid: int = resource.outputs.literals[0].value.scalar.primitive.integer
    return pid


async def all_that_answer(service: ServeProcess, number: int = WORKERS) -> set[int]:
    """The processes that answer, once there are `number` of them."""
    answered: set[int] = set()
    deadline = time.monotonic() + SECONDS
    while len(answered) < number:
        assert time.monotonic() < deadline, f"only {answered} answered"
        answered.add(await whereabouts(service))
    return answered


async def count(service: ServeProcess, task_type: str, verb: str) -> float:
    """How many calls of a verb the metrics tell of."""
    body = (await fetch(service.metrics, "/metrics")).body
    start = f'flyte_connectors_calls_total{{code="OK",task_type="{task_type}",verb="{verb}"'
    return sum(float(line.split()[-1]) for line in body.splitlines() if line.startswith(start))


async def test_all_workers_answer_on_one_port(service: ServeProcess) -> None:
    """The kernel spreads connections over them; each of them is a child of the supervisor."""
    assert await all_that_answer(service) == workers_of(service)


async def test_one_that_is_killed_is_replaced(service: ServeProcess) -> None:
    """Meanwhile the others serve; afterwards there are as many as before."""
    before = await all_that_answer(service)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    # Until it is gone, the kernel may hand it connections, which are reset: clients connect again.
    await until(lambda: not is_running(victim), "its end")
    assert await whereabouts(service) != victim
    await until(lambda: len(workers_of(service) - before) == 1, "the replacement")
    assert await all_that_answer(service) == workers_of(service)
    assert "ended with code -9; starting it again" in service.log.read_text()


async def test_their_numbers_are_one(service: ServeProcess) -> None:
    """Each call is counted once, whoever served it, and stays counted when that worker dies."""
    await all_that_answer(service)
    for _ in range(5):
        await whereabouts(service)
    counted = await count(service, "whereabouts", "do")
    assert counted >= 5 + WORKERS
    body = (await fetch(service.metrics, "/metrics")).body
    assert 'flyte_connectors_call_seconds_bucket{le="+Inf",task_type="whereabouts"' in body
    before = workers_of(service)
    os.kill(min(before), signal.SIGKILL)
    await until(lambda: not is_running(min(before)), "its end")
    while not workers_of(service) - before:
        assert await count(service, "whereabouts", "do") >= counted
    await all_that_answer(service)
    await until(lambda: len(workers_of(service)) == WORKERS, "the replacement")
    assert await count(service, "whereabouts", "do") >= counted + WORKERS


async def test_a_signal_drains_them_all(service: ServeProcess, jobs: JobService) -> None:
    """What has begun in any of them is finished; then all end, and the supervisor with 0."""
    before = workers_of(service)
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(service.address, OWN_CONNECTION))
            for _ in range(8)  # all on one worker: once in 128 runs, and then the test is weaker
        ]
        creating = [
            asyncio.ensure_future(client.create(run=f"r{n}", custom={"hold": ["create"]}))
            for n, client in enumerate(clients)
        ]
        await until(lambda: len(jobs.calls("create")) == len(clients), "the creates to begin")
        service.signal(signal.SIGTERM)
        await until(lambda: service.log.read_text().count("draining") == WORKERS, "the drain")
        assert workers_of(service) == before
        jobs.release()
        await asyncio.gather(*creating)
    assert await asyncio.to_thread(service.wait) == 0
    assert len(jobs.jobs) == len(clients)
    assert not [pid for pid in before if is_running(pid)]
    assert "Traceback" not in service.log.read_text()


async def test_a_second_signal_ends_them_all_at_once(service: ServeProcess, jobs: JobService) -> None:
    """The supervisor passes it on: nobody waits for the grace period."""
    async with Client(service.address) as client:
        creating = asyncio.ensure_future(client.create(custom={"hold": ["create"]}))
        await until(lambda: jobs.calls("create"), "the create to begin")
        before = workers_of(service)
        service.signal(signal.SIGHUP)
        await until(lambda: service.log.read_text().count("draining") == WORKERS, "the drain")
        started = time.monotonic()
        service.signal(signal.SIGHUP)
        await asyncio.to_thread(service.wait)
        assert time.monotonic() - started < 4
        with pytest.raises(grpc.aio.AioRpcError):
            await creating
    assert not [pid for pid in before if is_running(pid)]


async def test_their_readiness_is_one(service: ServeProcess, jobs: JobService) -> None:
    """Of gRPC by any of them, and of HTTP by the supervisor, until the end."""
    assert (await fetch(service.metrics, "/readyz")).status == 200
    async with Client(service.address) as client:
        assert await client.status() == health_pb2.HealthCheckResponse.SERVING
        creating = asyncio.ensure_future(client.create(custom={"hold": ["create"]}))
        await until(lambda: jobs.calls("create"), "the create to begin")
        service.signal(signal.SIGTERM)
        await until(lambda: "draining" in service.log.read_text(), "the drain")
        assert (await fetch(service.metrics, "/readyz")).status == 503
        assert (await fetch(service.metrics, "/healthz")).status == 200
        jobs.release()
        await creating
    assert await asyncio.to_thread(service.wait) == 0


@pytest.mark.parametrize("more", [(), ("--workers", "2")], ids=["one process", "workers"])
async def test_a_second_service_on_their_port_is_refused(service: ServeProcess, more: tuple[str, ...]) -> None:
    """Although they share it among themselves."""
    command = [*COMMAND, "serve", "--module", FAKE, "--port", str(service.port), *more]
    ended = await asyncio.to_thread(
        subprocess.run,
        [*command, "--metrics-port", "0"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=ROOT,
    )
    assert ended.returncode == 1
    assert f"can't listen on 127.0.0.1:{service.port}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert await all_that_answer(service) == workers_of(service)


async def test_workers_end_with_their_supervisor(service: ServeProcess, jobs: JobService) -> None:
    """However it ends: they notice, finish what has begun, and free the port."""
    before = workers_of(service)
    async with Client(service.address) as client:
        creating = asyncio.ensure_future(client.create(custom={"hold": ["create"]}))
        await until(lambda: jobs.calls("create"), "the create to begin")
        service.signal(signal.SIGKILL)
        await until(lambda: service.log.read_text().count("draining") == WORKERS, "the drain")
        jobs.release()
        await creating
    await until(lambda: not any(map(is_running, before)), "the workers to end")
    async with Client(service.address, OWN_CONNECTION, deadline=1) as client:
        with pytest.raises(grpc.aio.AioRpcError):
            await client.status()


async def test_what_a_connector_prints_stops_nobody(service: ServeProcess) -> None:
    """More than a pipe holds, from each of them; it stands beside the log."""
    printed: set[int] = set()
    while len(printed) < WORKERS:
        printed.add(await asyncio.wait_for(whereabouts(service, print=100_000), SECONDS))
    await until(lambda: service.log.read_text().count("x" * 100_000) >= WORKERS, "the words")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no licence')", "no licence"),
        ("import os; os._exit(3)", "failed to start"),
        ("task_type_name = 'half'", "does not implement"),
    ],
    ids=["raises", "dies", "no connector"],
)
def test_a_worker_that_cannot_start_fails_the_start(jobs: JobService, tmp_path: Path, source: str, said: str) -> None:
    """With its output, exit code 1, and no worker left behind."""
    module = tmp_path / "broken_connector.py"
    module.write_text(source)
    ports = ("--port", "0", "--metrics-port", "0")
    command = [*COMMAND, "serve", *ports, "--workers", "2", "--module", str(module)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        stdout, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert "listening on" not in stdout
    assert said in stderr
    assert "worker 0 failed to start; see its output above" in stderr
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(module) in command]


async def test_a_module_may_print_before_they_are_ready(service: ServeProcess) -> None:
    """As `whereabouts` does at its import: the start goes on, in each worker and its replacement."""
    word = "a word of a module at its import"
    assert service.log.read_text().count(word) == WORKERS
    victim = min(workers_of(service))
    os.kill(victim, signal.SIGKILL)
    await until(lambda: service.log.read_text().count(word) > WORKERS, "the replacement")
    await all_that_answer(service)


ORPHANS = """
import os, pathlib
from tests.hardening.process_connector import *

if not os.fork():  # its child loses its parent at once, and ends
    if os.fork():
        os._exit(0)
    pathlib.Path(__file__).with_name(f"{os.getpid()}.orphan").touch()
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
def test_as_process_1_their_supervisor_reaps_orphans(tmp_path: Path) -> None:
    """In a container, it is the parent of every process that has lost its own."""
    module = tmp_path / "orphans.py"
    module.write_text(ORPHANS)
    namespace = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    ports = ("--port", "0", "--metrics-port", "0")
    command = [*namespace, *COMMAND, "serve", *ports, "--workers", "2", "--module", str(module)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout
            assert "listening on" in process.stdout.readline()
            assert len([*tmp_path.glob("*.orphan")]) == WORKERS
            (first,) = psutil.Process(process.pid).children()
            deadline = time.monotonic() + SECONDS
            while len(first.children()) > WORKERS:
                assert time.monotonic() < deadline, first.children()
                time.sleep(0.05)
        finally:
            process.kill()


@contextlib.contextmanager
def starting(plugin: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor whose workers import `plugin`."""
    (folder / "slow_plugin.py").write_text(plugin)
    arguments = ("--port", "0", "--metrics-port", "0", "--workers", str(WORKERS))
    process = subprocess.Popen(
        [*COMMAND, "serve", "--module", "slow_plugin", *arguments],
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def importing(folder: Path) -> list[int]:
    """The processes that have begun to import the slow plugin."""
    return [int(path.stem) for path in folder.glob("*.importing")]


SLOW_PLUGIN = """
import os, pathlib, time
pathlib.Path(__file__).with_name(f"{os.getpid()}.importing").touch()
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_workers_that_are_still_starting(tmp_path: Path, number: signal.Signals) -> None:
    """However long a plugin takes to import: nothing is left, and the exit code is 0."""
    with starting(SLOW_PLUGIN, tmp_path) as supervisor:
        await until(lambda: len(importing(tmp_path)) == WORKERS, "the imports")
        supervisor.send_signal(number)
        assert await asyncio.to_thread(supervisor.wait, SECONDS) == 0
    assert not any(map(is_running, importing(tmp_path)))
