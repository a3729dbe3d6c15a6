"""The exact packages of an image, pinned by hash, and their wheels.

uv resolves for the image's Python and platform, whatever runs here; pip fetches what the lock names.
"""

from __future__ import annotations

import pathlib
import platform
import re

from flyte_connectors_deploy.commands import require, run_command
from flyte_connectors_deploy.image import Image

_UNUSED = "protovalidate"
"""Declared by flyteidl2 (2.0.20 to 2.0.53) and imported by none of its modules, which need only the
descriptors of `buf.validate` that it brings along. With what it needs in turn, that is 13 MB. The build
of an image imports the service, so that a release which changes this is noticed."""

_GLIBC = range(17, 37)  # minor versions of glibc 2 whose wheels run on Debian 12


async def lock_packages(image: Image, folder: pathlib.Path, find_links: str | None) -> None:
    """Write `requirements.lock` and `wheels/` into `folder`.

    Args:
        image: Whose packages.
        folder: The build context.
        find_links: Folder with wheels that are on no index.

    Raises:
        CommandError: uv is missing, or a package does not resolve or has no wheel.
    """
    uv = require("uv", "pip install uv")
    python = f"{image.python_version[0]}.{image.python_version[1]}"
    machine = platform.machine()
    wanted, locked = folder / "requirements.in", folder / "requirements.lock"
    wanted.write_text("\n".join(image.requirements) + "\n")
    overrides = folder / "overrides.in"
    is_wanted = any(re.match(rf"{_UNUSED}(?![-\w.])", package) for package in image.requirements)
    overrides.write_text("" if is_wanted else f"{_UNUSED}; python_version < '0'\n")
    links = ("--find-links", find_links) if find_links else ()
    await run_command(
        [
            *(uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-header"),
            *("--no-annotate", "--override", str(overrides)),
            *("--only-binary", ":all:", "--python-version", python),
            *("--python-platform", f"{machine}-manylinux_2_{_GLIBC[-1]}"),
            *("--prerelease", "allow" if image.pre else "if-necessary-or-explicit", *links),
            *("--output-file", str(locked), str(wanted)),
        ],
        what=f"resolving {', '.join(image.requirements)}",
    )
    wanted.unlink()
    overrides.unlink()
    (folder / "wheels").mkdir()
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in _GLIBC]
    await run_command(
        [
            *(uv, "tool", "run", "--quiet", "pip", "download", "--quiet", "--require-hashes"),
            *("--no-deps", "--only-binary", ":all:", "--python-version", python, *platforms),
            *("--platform", f"manylinux2014_{machine}", "--implementation", "cp", *links),
            *("--dest", str(folder / "wheels"), "--requirement", str(locked)),
        ],
        what="fetching the packages",
    )
