"""A real Ray cluster of one machine, and what its tests need."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

RAY = Path(sys.executable).with_name("ray")
PORT, DASHBOARD_PORT = 26379, 28265
START_SECONDS = 240.0
IS_ALONE = [name for _, name in socket.if_nameindex()] == ["lo"]

NEEDS_RAY = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not RAY.exists(), reason="needs ray[default]"),
    pytest.mark.skipif(not IS_ALONE, reason="needs a network namespace with loopback only"),
]


@contextlib.contextmanager
def running(directory: Path) -> Iterator[str]:
    """A Ray head on loopback, with its files in a folder; the address of its dashboard."""
    # Ray's sockets need a short path; jobs find this environment's commands on PATH.
    short = Path(f"/tmp/ray-{os.getpid()}")
    short.symlink_to(directory)
    path = f"{RAY.parent}{os.pathsep}{os.environ['PATH']}"
    command = [
        *(str(RAY), "start", "--head", "--node-ip-address=127.0.0.1", f"--port={PORT}"),
        *("--dashboard-host=127.0.0.1", f"--dashboard-port={DASHBOARD_PORT}", "--num-cpus=2"),
        *("--disable-usage-stats", f"--temp-dir={short}", "--object-store-memory=100000000"),
        "--block",
    ]
    head = subprocess.Popen(
        command,
        env={**os.environ, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{DASHBOARD_PORT}"
        _wait_until_up(url, head)
        yield url
    finally:
        head.terminate()
        head.wait(60)
        short.unlink()


def _wait_until_up(url: str, head: subprocess.Popen[bytes]) -> None:
    """Until a job has run: the first one takes as long as ten others, and is refused for a while."""
    deadline = time.monotonic() + START_SECONDS
    job = ""
    with httpx.Client(base_url=url, timeout=60) as client:
        while time.monotonic() < deadline:
            assert head.poll() is None, "ray has ended"
            with contextlib.suppress(httpx.HTTPError):
                if not job:
                    reply = client.post("/api/jobs/", json={"entrypoint": "true"})
                    job = str(reply.raise_for_status().json()["submission_id"])
                elif client.get(f"/api/jobs/{job}").json()["end_time"] is not None:
                    return
            time.sleep(0.5)
    pytest.fail("ray's dashboard did not come up")
