"""The examples at the top of the repository, run as their pages say, on the back end of the environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[4] / "examples"
NAMES = ("function_map_reduce", "function_training", "function_pydantic")


def run_example(name: str, folder: Path) -> str:
    """What the command of an example's page says on stderr, once it has answered as the page says.

    Args:
        name: Name of the example's folder.
        folder: Where to copy it, so that nothing is written to the repository.
    """
    place = shutil.copytree(FOLDER / name, folder / name)
    page = (place / "README.md").read_text()
    command, answer = re.findall(r"^\$ (.*)\n\.\.\.\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=place, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = re.escape(answer.strip()).replace(r"\.\.\.", ".*")
    assert re.fullmatch(wanted, done.stdout.strip()), done.stdout
    return done.stderr
