"""Jobs that run as the service's user find none of its secrets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flyte_connectors import Phase
from flyte_connectors_batch_job import BatchJobConfig

from tests.fakes.requests import create_request
from tests.fakes.serve_process import serving
from tests.service.client import Client

CANARY = "c4n4ry-of-the-service"
LOOK = """
import glob, os, sys
canary = b"of-the-service"[::-1]
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        if canary[::-1] in open(path, "rb").read(): print("found in", path)
    except OSError: pass
service = os.environ["SERVICE"]
for name in ("mem", "fd/0", "fd/1", "fd/2"):
    try:
        file = os.open(f"/proc/{service}/{name}", os.O_RDONLY)
        os.read(file, 1)
        print("opened", name)
    except OSError: pass
print("looked")
"""
"""What a job runs that wants the service's secrets."""

UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-all", "--securebits=+noroot")
IS_ROOT = os.geteuid() == 0
KERNEL = tuple(map(int, os.uname().release.split(".")[:2])) if sys.platform == "linux" else (0, 0)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl(2)")


@pytest.fixture(params=["as a user", "as root"])
def under(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """What runs the service: as root, a job is kept out by Landlock instead of by its missing rights."""
    if request.param == "as root":
        if not IS_ROOT or KERNEL < (6, 12):
            pytest.skip("needs root and Linux 6.12")
        return ()
    if IS_ROOT and not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    return UNPRIVILEGED if IS_ROOT else ()


async def test_a_job_reads_no_secret_of_the_service(tmp_path: Path, under: tuple[str, ...]) -> None:
    """Neither from its environment, nor from its memory, nor through its open files."""
    env = {"FLYTE_BATCH_JOB_SPOOL": str(tmp_path / "spool"), "FLYTE_SECRET_VENDOR_KEY": CANARY}
    with serving("--allow", "batch_job", log=tmp_path / "log", env=env, under=under) as service:
        config = BatchJobConfig(command=[sys.executable, "-c", LOOK], env={"SERVICE": str(service.process.pid)})
        asked = create_request("batch_job", outputs={"said": str}, custom=config.to_custom())
        async with Client(service.address) as client:
            job = await client.send(asked)
            while (await job.get()).phase in (Phase.QUEUED, Phase.RUNNING):
                pass
            lines, _ = await job.page()
        assert lines == ["looked"]
    warnings = [line for line in (tmp_path / "log").read_text().splitlines() if "uid" in line]
    assert len(warnings) == 1
    assert "batch_job" in warnings[0]
    assert "FLYTE_SECRET_VENDOR_KEY" in warnings[0]
    assert CANARY not in warnings[0]


def test_several_workers_warn_once(tmp_path: Path) -> None:
    """They are one service."""
    env = {"FLYTE_BATCH_JOB_SPOOL": str(tmp_path / "spool"), "FLYTE_SECRET_VENDOR_KEY": CANARY}
    with serving("--allow", "batch_job", "--workers", "2", log=tmp_path / "log", env=env):
        pass
    assert (tmp_path / "log").read_text().count("SECURITY.md") == 1


@pytest.mark.parametrize(
    ("allowed", "env"),
    [("batch_job", {}), ("bigquery", {"FLYTE_SECRET_VENDOR_KEY": CANARY})],
)
def test_nothing_is_warned_of_where_nothing_is_shared(tmp_path: Path, allowed: str, env: dict[str, str]) -> None:
    """Neither without credentials, nor without jobs here."""
    with serving("--allow", allowed, log=tmp_path / "log", env=env):
        pass
    assert "SECURITY.md" not in (tmp_path / "log").read_text()


def test_what_the_service_starts_and_c_libraries_keep_the_environment() -> None:
    """Only what `/proc` shows of it is blank."""
    code = (
        "import ctypes, os, subprocess\n"
        "from flyte_connectors.service.shared_user import close_memory\n"
        "close_memory()\n"
        "libc = ctypes.CDLL(None); libc.getenv.restype = ctypes.c_char_p\n"
        "print(os.environ['WORD'], libc.getenv(b'WORD').decode(), flush=True)\n"
        "subprocess.run(['printenv', 'WORD'], check=True)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "WORD": "here"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["here"] * 3
