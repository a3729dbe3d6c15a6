"""`serve` runs on asyncio's loop or on uvloop, as it is told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.fakes.job_service import JobService, until
from tests.fakes.serve_process import COMMAND, FAKE, serving
from tests.service.client import Client

TELLER = "tests.service.event_loop_connector"


@pytest.mark.parametrize(("wanted", "found"), [("auto", "uvloop"), ("uvloop", "uvloop"), ("asyncio", "asyncio")])
async def test_calls_run_on_the_loop_that_is_wanted(tmp_path: Path, wanted: str, found: str) -> None:
    """`auto` takes uvloop where it is installed, as it is here."""
    arguments = ("--event-loop", wanted, "--module", TELLER)
    with serving(*arguments, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            job = await client.create("event_loop", outputs={"loop": str})
            resource = await job.get()
    assert resource.outputs.literals[0].value.scalar.primitive.string_value == found


async def test_a_service_on_uvloop_drains_like_any_other(jobs: JobService, tmp_path: Path) -> None:
    """The create that has begun is finished, and the exit code is 0."""
    arguments = ("--event-loop", "uvloop", "--module", FAKE)
    with serving(*arguments, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            creating = asyncio.ensure_future(client.create(custom={"hold": ["create"]}))
            await until(lambda: jobs.calls("create"), "the create to begin")
            service.signal(signal.SIGTERM)
            await until(lambda: not service.listens(), "the port to close")
            jobs.release()
            await creating
        assert await asyncio.to_thread(service.wait) == 0
    assert len(jobs.jobs) == 1
    assert "Traceback" not in service.log.read_text()


def test_a_loop_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """Before anything else is done, in one line with the way out."""
    (tmp_path / "uvloop.py").write_text("raise ImportError")
    done = subprocess.run(
        [*COMMAND, "serve", "--event-loop", "uvloop"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install flyte-connectors[uvloop]" in done.stderr
    assert "Traceback" not in done.stderr
