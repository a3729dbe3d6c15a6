"""What a job costs beside its command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from batch_jobs import show

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

MOST_MILLISECONDS = 60


def test_a_job_costs_less_than_60_ms_of_cpu(tmp_path: Path) -> None:
    """All its processes together, over those of the command alone; medians of runs that take turns."""
    program = Path(__file__).parent / "job_overhead.py"
    environment = {**os.environ, "FLYTE_BATCH_JOB_SPOOL": str(tmp_path / "spool")}
    command = [sys.executable, str(program), str(tmp_path), "21"]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    cost = json.loads(out)
    show(f"ms of CPU over the command alone: {cost}")
    assert cost["plain"] <= cost["files"] < MOST_MILLISECONDS
