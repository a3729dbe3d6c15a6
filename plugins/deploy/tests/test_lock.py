"""The lock of an image: resolved by uv, without a package that is declared and never imported."""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import re
import shutil
import zipfile
from pathlib import Path

import flyteidl2
import pytest
from flyte_connectors import Image

from flyte_connectors_deploy.containerfile import containerfile
from flyte_connectors_deploy.lock import lock_packages


def wheel(folder: Path, name: str, *requires: str) -> None:
    """A distribution that needs others."""
    info = f"{name}-1.0.dist-info"
    needs = "".join(f"Requires-Dist: {other}\n" for other in requires)
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only packages there are, and a uv that resolves with them and downloads none."""
    uv = shutil.which("uv")
    assert uv is not None
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "flyte_connectors", "flyteidl2")
    wheel(folder, "flyteidl2", "protovalidate", "protobuf")
    wheel(folder, "protovalidate", "cel_python", "protobuf")
    wheel(folder, "cel_python")
    wheel(folder, "protobuf")
    script = tmp_path / "bin" / "uv"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\n[ "$1" = tool ] || exec {uv} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")
    for variable in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(variable)
    for variable in ("UV_OFFLINE", "UV_NO_INDEX", "UV_NO_CONFIG", "UV_NO_CACHE"):
        monkeypatch.setenv(variable, "1")
    return folder


@pytest.mark.parametrize(
    ("packages", "locked"),
    [
        ((), ["flyte-connectors", "flyteidl2", "protobuf"]),
        (
            ("protovalidate>=1",),
            ["cel-python", "flyte-connectors", "flyteidl2", "protobuf", "protovalidate"],
        ),
    ],
)
def test_what_is_never_imported_stays_out(
    packages: tuple[str, ...], locked: list[str], wheels: Path, tmp_path: Path
) -> None:
    """With all that it needs, unless somebody asks for it; every package is pinned by its hash."""
    image = Image.from_debian_base(python_version=(3, 12)).with_pip_packages(*packages)
    context = tmp_path / "context"
    context.mkdir()
    asyncio.run(lock_packages(image, context, str(wheels)))
    lock = (context / "requirements.lock").read_text()
    assert re.findall(r"^([-a-z0-9]+)==1.0 \\$", lock, re.MULTILINE) == locked
    assert lock.count("--hash=sha256:") == len(locked)
    assert sorted(path.name for path in context.iterdir()) == ["requirements.lock", "wheels"]


def test_no_module_of_flyteidl2_imports_protovalidate() -> None:
    """The reason for all this."""
    folder = Path(flyteidl2.__path__[0])
    assert not [file for file in folder.rglob("*.py") if "protovalidate" in file.read_text()]


def test_the_messages_need_only_what_flyteidl2_brings() -> None:
    """`buf.validate` is among its files."""
    services = [name for _, name, _ in pkgutil.iter_modules(flyteidl2.__path__)]
    assert "connector" in services
    validate = importlib.import_module("buf.validate.validate_pb2")
    assert Path(validate.__file__ or "").parents[2] == Path(flyteidl2.__path__[0]).parent


def test_every_image_can_host_official_connectors_and_be_started_by_the_official_chart() -> None:
    """The plugin comes along, and puts `c0` where the SDK's own would be."""
    image = Image.from_debian_base().with_pip_packages("flyteplugins-bigquery>=2")
    assert image.requirements == ("flyte-connectors[official]", "flyteplugins-bigquery>=2")
    assert "-m flyte_connectors_official.stand_in c0 --replace\n" in containerfile(image)
