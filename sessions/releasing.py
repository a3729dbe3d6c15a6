"""Sessions that prepare a release: the lock, the addresses, the built packages."""

from __future__ import annotations

import pathlib
import re
import shutil

import nox

from sessions.installing import LOCK, wheels
from sessions.packages import DEFAULT_PYTHON, PACKAGES, PROJECTS, PYTHONS, ROOT, stated_by


@nox.session(python=DEFAULT_PYTHON)
def lock(session: nox.Session) -> None:
    """Write the newest versions of all that the sessions need to `constraints.txt`."""
    needed = set(stated_by(*PACKAGES))
    root = nox.project.load_toml(ROOT / "pyproject.toml")
    for project in (root, *PROJECTS.values()):
        for group in project.get("dependency-groups", {}):
            needed |= set(nox.project.dependency_groups(project, group))
    requirements = pathlib.Path(session.create_tmp()) / "requirements.in"
    foreign = sorted(one for one in needed if not one.startswith("flyte-connectors"))
    requirements.write_text("".join(f"{one}\n" for one in foreign))
    session.run_install(
        *("uv", "pip", "compile", "--quiet", "--upgrade", "--universal", str(requirements)),
        *("--python-version", PYTHONS[0], "--no-header", "--no-annotate", "--no-emit-index-url"),
        *("--output-file", str(LOCK)),
        external=True,
    )


@nox.session(venv_backend="none")
def urls(session: nox.Session) -> None:
    """Write the project's addresses, `[tool.flyte-connectors.urls]` of the root, into every package."""
    root = nox.project.load_toml(ROOT / "pyproject.toml")
    addresses = root["tool"].get("flyte-connectors", {}).get("urls", {})
    table = "".join(f'{name} = "{address}"\n' for name, address in addresses.items())
    for folder in PACKAGES.values():
        file = folder / "pyproject.toml"
        without = re.sub(r"\n\[project\.urls\]\n(?:[^\[\n].*\n)*", "", file.read_text())
        above, mark, below = without.partition("\n[project.optional-dependencies]")
        if not mark:
            above, mark, below = without.partition("\n[dependency-groups]")
        file.write_text(above + (f"\n[project.urls]\n{table}" if table else "") + mark + below)
    session.log(f"{len(addresses)} addresses in {len(PACKAGES)} packages")


@nox.session
@nox.parametrize("package", list(PACKAGES), ids=list(PACKAGES))
def build(session: nox.Session, package: str) -> None:
    """Build one package for its release into dist/, check it, and show what is new in it."""
    dist, source = ROOT / "dist" / package, PACKAGES[package]
    shutil.rmtree(dist, ignore_errors=True)
    session.run_install("uv", "build", "-q", "--out-dir", str(dist), str(source), external=True)
    wheel, sdist = (str(next(dist.glob(f"*{ending}"))) for ending in (".whl", ".tar.gz"))
    session.install(wheel, *([] if package == "core" else [wheels(session)["core"]]))
    session.run("flyte-connectors", "list")
    session.install("--group", "release")
    session.run("twine", "check", "--strict", wheel, sdist)
    version = PROJECTS[package]["project"]["version"]
    notes = ("--draft", "--config", "pyproject.toml", "--dir", str(source), "--version", version)
    session.run("towncrier", "build", *notes)
