"""Debian 12 with Python 3.11 as a base image, from the mirror that apt uses here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

BASE = "localhost/flyte-connectors-test-base:1"
PYTHON = (3, 11)
_IDLE = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt")
_PACKAGES = "python3,python3-venv,python3-pip"


def build_base(folder: Path) -> str:
    """Make the image, in `folder`, within a minute; returns its name."""
    told = output("apt-get", "download", "--print-uris", "dash")
    mirror = re.match(r"'(.+?)/pool/", told)
    assert mirror, told
    root = folder / "root"
    options = ("--variant=minbase", f"--include={_PACKAGES}", "bookworm")
    output("debootstrap", *options, str(root), mirror[1])
    for path in _IDLE:
        shutil.rmtree(root / path)
    (folder / "Containerfile").write_text("FROM scratch\nCOPY root /\n")
    output("buildah", "build", "--quiet", "--format", "docker", "--tag", BASE, str(folder))
    shutil.rmtree(root)
    return BASE


def output(*command: str) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{command}: {done.stdout[-500:]}{done.stderr[-500:]}"
    return done.stdout
