"""A service that is process 1 of a container, and so the parent of every process that has lost its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
from batch_jobs import SPEC, wait_for
from flyte_connectors_batch_job.backends.local import job as states, turns
from flyte_connectors_batch_job.backends.local.spool import Spool

assert os.getpid() == 1
spool = Spool(sys.argv[1])
for number in range(6):
    job = spool.submit(f"job-{number}", {**SPEC, "script": "true"})
    wait_for(lambda: turns.state_of(job)["state"] in states.ENDED)
    wait_for(lambda: "(keeper) Z" in " ".join(map(Path.read_text, Path("/proc").glob("[0-9]*/stat"))))
print(sum("(keeper) Z" in path.read_text() for path in Path("/proc").glob("[0-9]*/stat")))
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="a namespace of processes needs root and unshare"
)
def test_ended_jobs_leave_no_processes(tmp_path: Path) -> None:
    """But for the latest: the others are reaped when the next begins."""
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, tmp_path / "program.py", tmp_path / "spool"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
