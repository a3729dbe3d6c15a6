"""What sessions install: the wheels of this repository, its groups, and files of Debian's packages."""

from __future__ import annotations

import os
import pathlib
import shutil

import nox

from sessions.packages import PACKAGES, PROJECTS, ROOT, needed_by, stated_by

# The versions that sessions install, so that new releases of other packages do not break them.
# It names no hosts: every developer may have another index. `nox -s lock` brings it up to date.
LOCK = ROOT / "constraints.txt"
LOCKED = ["--constraints", str(LOCK)]

_wheels_of: dict[str, str] = {}


def wheels(session: nox.Session) -> dict[str, str]:
    """The wheel of every package, built once per run of nox."""
    if not _wheels_of:
        folder = session.cache_dir / "wheels"
        for name, source in PACKAGES.items():
            session.run_install(
                "uv", "build", "--quiet", "--wheel", "--clear", "--out-dir", str(folder / name), str(source),
                external=True,
            )  # fmt: skip
            _wheels_of[name] = str(next((folder / name).glob("*.whl")))
    return _wheels_of


def install(
    session: nox.Session,
    *packages: str,
    groups: tuple[str, ...] = ("test",),
    lowest: bool = False,
) -> None:
    """Install the wheels of `packages`, and of those they need, with groups of this repository.

    Where there are any groups, the packages' own `test` groups come along. With `lowest`, all that
    they state themselves is the lowest version that they allow, and that has a wheel for this Python.
    """
    built = wheels(session)
    needed = {"core", *packages}.union(*(needed_by(name, tests=bool(groups)) for name in packages))
    requirements = [built[name] for name in sorted(needed)]
    for group in groups:
        requirements += ["--group", f"{ROOT / 'pyproject.toml'}:{group}"]
    for name in packages if groups else ():
        project = PACKAGES[name] / "pyproject.toml"
        if "test" in PROJECTS[name].get("dependency-groups", {}):
            requirements += ["--group", f"{project}:test"]
    if not lowest:
        requirements += LOCKED
    if lowest:
        requirements += ["--resolution", "lowest-direct", "--only-binary", ":all:"]
        requirements += stated_by("core", *packages)
    session.install(*requirements)


def install_from_debian(session: nox.Session, *packages: str) -> None:
    """Install packages of Debian on this machine; none starts a daemon."""
    session.run_install(
        *("apt-get", "install", "--yes", "--no-install-recommends", *packages),
        external=True,
        silent=True,
        env={"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
    )


def unpack(session: nox.Session, *packages: str) -> pathlib.Path:
    """The files of packages of Debian; installing them would start services on every address."""
    folder = pathlib.Path(session.create_tmp()).resolve() / "debian"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "debs").mkdir(parents=True)
    with session.chdir(folder / "debs"):
        session.run_install("apt-get", "download", "--quiet", *packages, external=True)
        for package in sorted((folder / "debs").iterdir()):
            session.run_install("dpkg", "-x", package.name, str(folder), external=True)
    return folder


def path_with(session: nox.Session, *folders: pathlib.Path) -> str:
    """The variable PATH of a session, with other folders before it."""
    return os.pathsep.join((*map(str, folders), *session.bin_paths, os.environ["PATH"]))
