"""The short form of every part: nothing falls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .parts import PARTS

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("part", PARTS)
def test_nothing_falls(part: str, tmp_path: Path) -> None:
    """Each part attacks a service of its own, in processes of its own."""
    command = [sys.executable, "-m", "tests.attack", "--part", part, "--json"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    tally = json.loads(done.stdout.splitlines()[-1])
    fallen = {row["case"]: row["examples"] for row in tally["rows"] if row["fell"]}
    assert not fallen
    assert done.returncode == 0
    assert sum(row["tried"] for row in tally["rows"]) or tally["rows"][0]["skipped"]
