"""What an installation takes: a fresh environment, filled by pip from the configured index."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from benchmarks.contender import ENVIRONMENT, Contender, Name
from benchmarks.report import Target
from benchmarks.rounds import Found, one_after_another

SIZE, DISTRIBUTIONS = "site-packages", "distributions"
TARGETS = (Target(SIZE, "MB", 80), Target(DISTRIBUTIONS, "distributions", 26))
ROOT = Path(__file__).parent.parent
REQUIREMENTS = {
    Name.BARE: ["grpcio", "grpcio-health-checking", "flyteidl2"],
    Name.OURS: [str(ROOT / "core")],
    Name.ASGI: [str(ROOT / "core"), str(ROOT / "plugins" / "asgi")],
    Name.PEER: ["flyte[connector]==2.12.1"],
}
INSTALLER = ("pip", "setuptools")
"""Present in every new environment, needed by none of the contenders."""


@one_after_another
def measure(contender: Contender, *, quick: bool) -> Found:
    """Megabytes and a count, by the names of `TARGETS`; compiled bytecode included."""
    del quick
    with tempfile.TemporaryDirectory() as directory:
        _run(str(contender.python), "-m", "venv", directory)
        pip = [f"{directory}/bin/python", "-m", "pip", "-qq", "--disable-pip-version-check"]
        _run(*pip, "install", *REQUIREMENTS[contender.name])
        _run(*pip, "uninstall", "--yes", *INSTALLER)
        (packages,) = Path(directory).glob("lib/python*/site-packages")
        return {
            SIZE: sum(each.stat().st_size for each in packages.rglob("*") if each.is_file()) / 1e6,
            DISTRIBUTIONS: len(list(packages.glob("*.dist-info"))),
        }


def _run(*command: str) -> None:
    subprocess.run(command, check=True, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
