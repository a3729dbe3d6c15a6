"""What the official SDK sends to Flyte's back end for an image of ours: everything but the network.

Runs where the official `flyte` 2.12 is installed next to ours.
"""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flyte
import flyte._initialize
import pytest
from flyte._internal.imagebuild import image_builder, remote_builder
from flyte_connectors import Image, ImageBuildEngine
from flyte_connectors_deploy.commands import CommandError
from flyte_connectors_deploy.sources import find_sources
from flyteidl2.common import phase_pb2
from flyteidl2.core.literals_pb2 import Literal, Primitive, Scalar
from flyteidl2.imagebuilder.definition_pb2 import ImageSpec
from flyteidl2.task.common_pb2 import NamedLiteral, Outputs

# The SDK keeps what it has built for as long as an event loop lives, and each test has one of its own.
pytestmark = pytest.mark.filterwarnings("ignore:alru_cache detected event loop change")

BUILT = "registry.example.org/me/connectors@sha256:0"
CONNECTOR = """
from flyte_connectors import hookimpl
task_type_name = "mine"

@hookimpl
def do(inputs): ...
"""
IMAGE = Image.from_debian_base((3, 12), registry="registry.example.org/me", name="connectors")


class BackEnd:
    """What the SDK reaches: uploads, the build task, a run of it.

    Attributes:
        uploads: What was sent, by file name.
        inputs: Of the build task's run.
        phase: How that ends.
    """

    def __init__(self) -> None:
        self.uploads: dict[str, bytes] = {}
        self.inputs: dict[str, Any] = {}
        self.phase = phase_pb2.ACTION_PHASE_SUCCEEDED

    async def upload(self, path: Path) -> tuple[str, str]:
        self.uploads[path.name] = await asyncio.to_thread(path.read_bytes)
        return "", f"s3://bucket/{path.name}"

    async def run(self, task: Any, **inputs: Any) -> Any:
        self.inputs = inputs
        named = NamedLiteral(value=Literal(scalar=Scalar(primitive=Primitive(string_value=BUILT))))
        run_id = SimpleNamespace(org="o", project="p", domain="d", name="r")
        details = SimpleNamespace(
            action_details=SimpleNamespace(raw_phase=self.phase),
            outputs=_async(SimpleNamespace(pb2=Outputs(literals=[named]))),
        )
        return SimpleNamespace(
            pb2=SimpleNamespace(action=SimpleNamespace(id=SimpleNamespace(run=run_id))),
            url="https://flyte.example.org/r",
            wait=SimpleNamespace(aio=_async(None)),
            details=SimpleNamespace(aio=_async(details)),
        )

    @property
    def spec(self) -> ImageSpec:
        return ImageSpec.FromString(self.uploads["spec.pb"])


def _async(value: Any) -> Any:
    async def answer(**_: Any) -> Any:
        return value

    return answer


@pytest.fixture
def back_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BackEnd:
    """A back end, and the SDK initialized for it."""
    made = BackEnd()
    config = SimpleNamespace(project="p", domain="d", org="o", client=None, image_builder="remote", root_dir=tmp_path)
    monkeypatch.setattr(flyte._initialize, "_init_config", config)
    monkeypatch.setattr(remote_builder.RemoteImageBuilder, "get_checkers", lambda self: [_NothingExists])
    monkeypatch.setattr(image_builder, "_write_image_cache", lambda *_: None)
    monkeypatch.setattr(remote_builder.remote, "upload_file", SimpleNamespace(aio=made.upload))
    task = SimpleNamespace(override=SimpleNamespace(aio=_async(object())))
    monkeypatch.setattr(remote_builder.remote.Task, "get", lambda **_: task)
    context = SimpleNamespace(run=SimpleNamespace(aio=made.run))
    monkeypatch.setattr(flyte, "with_runcontext", lambda **_: context)
    return made


class _NothingExists:
    @classmethod
    async def image_exists(cls, *_: Any) -> None:
        return None


async def test_the_back_end_builds_what_we_describe(back_end: BackEnd, tmp_path: Path) -> None:
    """Base, Python, variables, packages and the author's files; it names the image that it built."""
    (tmp_path / "mine.py").write_text(CONNECTOR)
    image = IMAGE.with_pip_packages("flyte-connectors[bigquery]", pre=True)
    image = image.with_env_vars({"REGION": "eu"})
    sources = find_sources(tmp_path, ["mine.py"])
    built = await ImageBuildEngine.build(image, builder="remote", sources=sources)
    assert built.reference == BUILT
    assert back_end.inputs["spec"] == "s3://bucket/spec.pb"
    assert back_end.inputs["target_image"].startswith("registry.example.org/me/connectors:")

    spec = back_end.spec
    assert spec.base_image == "docker.io/library/python:3.12-slim-bookworm"
    assert spec.python_version == "3.12"
    kinds = [layer.WhichOneof("layer") for layer in spec.layers]
    assert kinds == ["env", "pip_packages", "copy_config"]
    variables, packages, files = (getattr(layer, kind) for layer, kind in zip(spec.layers, kinds, strict=True))
    assert variables.env_variables["REGION"] == "eu"
    assert variables.env_variables["PYTHONPATH"] == "/app"
    assert list(packages.packages) == ["flyte-connectors", "flyte-connectors[bigquery]"]
    assert packages.options.pre
    assert files.dst == "/app/mine.py"
    with tarfile.open(fileobj=io.BytesIO(back_end.uploads["context.tar.gz"])) as context:
        found = context.extractfile(files.src)
        assert found is not None
        assert found.read() == (tmp_path / "mine.py").read_bytes()


async def test_the_same_files_give_the_same_tag(back_end: BackEnd, tmp_path: Path) -> None:
    """Wherever they lie."""
    targets = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(CONNECTOR)
        sources = find_sources(tmp_path / name, ["mine.py"])
        await ImageBuildEngine.build(IMAGE, builder="remote", sources=sources)
        targets.append(back_end.inputs.get("target_image"))
    assert targets[0] == targets[1]


async def test_a_failed_build_says_where_to_look(back_end: BackEnd) -> None:
    """In one line, with the run's address."""
    back_end.phase = phase_pb2.ACTION_PHASE_FAILED
    with pytest.raises(CommandError, match=r"building other in Flyte's back end failed: .*/r$") as it:
        await ImageBuildEngine.build(Image.from_debian_base((3, 12), name="other"), "remote")
    assert "\n" not in str(it.value)


def test_without_a_configuration_the_sdk_says_so(tmp_path: Path) -> None:
    """The real SDK, asked from the command line, in a place where nothing is configured."""
    command = [sys.executable, "-m", "flyte_connectors", "image", "build", "--builder", "remote"]
    failed = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("flyte-connectors: building flyte-connectors in Flyte's back end failed: ")
    assert "Traceback" not in failed.stderr
