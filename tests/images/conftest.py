"""A store of images for the tests alone, a base in it, and wheels of what is here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images.debian import build_base, output
from tests.images.registry import registry

ROOT = Path(__file__).parents[2]
TOOLS = ("buildah", "debootstrap", "docker-registry", "uv")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what takes minutes, unless it is asked for and can run."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)] + ["root"] * bool(os.geteuid())
    reason = f"needs {', '.join(missing)}" if missing else "needs -m slow"
    if missing or config.option.markexpr != "slow":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Buildah with a store of its own; without overlay mounts where they can't be had."""
    folder = tmp_path_factory.mktemp("storage")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUILDAH_ISOLATION", "chroot")
        for driver in ("overlay", "vfs"):
            config = folder / f"{driver}.conf"
            lines = [f'driver = "{driver}"', f'graphroot = "{folder}/{driver}"']
            config.write_text("\n".join(("[storage]", *lines, f'runroot = "{folder}/run"', "")))
            patch.setenv("CONTAINERS_STORAGE_CONF", str(config))
            patch.setenv("STORAGE_DRIVER", driver)
            if subprocess.run(["buildah", "info"], check=False, capture_output=True).returncode == 0:
                break
        yield
        output("buildah", "rm", "--all")
        for mount in re.findall(rf" ({folder}\S*) ", Path("/proc/mounts").read_text()):
            output("umount", mount)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def base(storage: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Debian 12 with Python 3.11."""
    return build_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def pushed_to(storage: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a registry that is empty at first."""
    folder = tmp_path_factory.mktemp("registry")
    with registry(folder) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(folder / "registries.conf"))
        yield address


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core and plugins, which are on no index yet."""
    folder = tmp_path_factory.mktemp("wheels")
    names = ("core", "plugins/functions", "plugins/batch_job", "plugins/official")
    for package in names:
        output("uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT / package))
    return folder
