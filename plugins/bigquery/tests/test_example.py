"""The example that people copy, `examples/bigquery_orders`, runs as its page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bed.calls import CONFIG

if TYPE_CHECKING:
    import pytest
    from bed.proxy import Front

EXAMPLE = Path(__file__).parents[3] / "examples" / "bigquery_orders"


def test_rows_are_loaded_checked_and_queried(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command of the page, which answers as the page says; each step is one job."""
    folder = shutil.copytree(EXAMPLE, tmp_path / "example")
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))
    page = (folder / "README.md").read_text()
    command, answer = re.findall(r"^\$ ([^\n]*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path, "GOOGLE_CLOUD_PROJECT": CONFIG.ProjectID},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(answer)
    assert sum("dryRun" not in job["configuration"] for job in front.jobs) == 4
