"""The short form of every part: nothing falls."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .parts import PARTS

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tallies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each part has found. They attack services of their own, two at a time."""
    folder = str(tmp_path_factory.mktemp("attack"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.attack", "--short", "--json", "--directory", folder],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return {tally["part"]: tally for tally in map(json.loads, done.stdout.splitlines())}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", PARTS)
def test_nothing_falls(part: str, tallies: dict[str, Any]) -> None:
    """And something was tried, or the part says why not."""
    rows = tallies[part]["rows"]
    assert not {row["case"]: row["examples"] for row in rows if row["fell"]}
    assert sum(row["tried"] for row in rows) or rows[0]["skipped"]
