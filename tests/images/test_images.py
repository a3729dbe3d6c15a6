"""`image build` really builds, and a job goes through the service in the image."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flyte_connectors import Image, ImageBuildEngine
from flyte_connectors_deploy.commands import CommandError

from tests.images.container import (
    VOLUME,
    Container,
    config_of,
    container_of,
    layer_bytes,
)
from tests.images.debian import PYTHON, output

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MB = 10**6
LIMIT_MB = 35
LIMIT_OF_START = 1.3  # times the bare process
STARTS = 7
CONNECTOR = """
from dataclasses import dataclass
from flyte_connectors import AsyncConnector, ConnectorRegistry, Phase, Resource, ResourceMeta

@dataclass
class Echo(ResourceMeta):
    text: str

class EchoConnector(AsyncConnector):
    name = "Echo"
    task_type_name = "echo"
    metadata_type = Echo

    async def create(self, task_template, inputs=None, **kwargs):
        return Echo(inputs["text"])

    async def get(self, resource_meta, **kwargs):
        return Resource(phase=Phase.SUCCEEDED, outputs={"text": resource_meta.text})

    async def delete(self, resource_meta, **kwargs):
        pass

ConnectorRegistry.register(EchoConnector())
"""
TASKS = """
from flyte_connectors import AsyncConnectorExecutorMixin, NativeInterface, TaskTemplate
from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

hello = BatchJobTask(
    name="hello",
    plugin_config=BatchJobConfig(script='echo "$(id -u) greets $BATCH_JOB_INPUT_NAME"'),
    inputs={"name": str}, outputs={"text": str},
)

class Echo(AsyncConnectorExecutorMixin, TaskTemplate):
    pass

echo = Echo("echo", NativeInterface({"text": (str, None)}, {"text": str}), "echo")
"""
SPOOL = {"FLYTE_BATCH_JOB_SPOOL": VOLUME}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a connector of one's own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mine").mkdir()
    (folder / "mine" / "__init__.py").touch()
    (folder / "mine" / "connector.py").write_text(CONNECTOR)
    return folder


def build(base: str, wheels: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`image build` with the batch-job plugin, in `folder`."""
    command = [sys.executable, "-m", "flyte_connectors", "image", "build", "--builder", "buildah"]
    command += ["--plugin", "batch_job", "--base", base, "--python", ".".join(map(str, PYTHON))]
    return subprocess.run(
        [*command, "--find-links", str(wheels), *options],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def image(base: str, wheels: Path, project: Path) -> str:
    """Name of the image with the plugin and the connector."""
    built = build(base, wheels, project, "--include", "mine")
    assert built.returncode == 0, built.stderr
    return built.stdout.strip()


@pytest.fixture
def container(image: str) -> object:
    """A container of it."""
    with container_of(image) as made:
        yield made


def run(address: str, folder: Path, task: str, *inputs: str) -> str:
    """The output of a task on a service."""
    (folder / "tasks.py").write_text(TASKS)
    command = [sys.executable, "-m", "flyte_connectors", "run", "--endpoint", address, "--json"]
    ran = subprocess.run(
        [*command, "tasks.py", task, *inputs],
        cwd=folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return str(json.loads(ran.stdout)["text"])


def test_a_real_job_goes_through_it(container: Container, tmp_path: Path) -> None:
    """As user 1000 on a disk that can't be written; and the service ends when it is told to."""
    with container.serving(**SPOOL) as service:
        assert run(service.address, tmp_path, "hello", "--name", "you") == "1000 greets you"
    assert service.process.returncode == 0


def test_an_included_module_is_served(container: Container, tmp_path: Path) -> None:
    """By its name as seen from /app."""
    with container.serving("--module", "mine.connector", **SPOOL) as service:
        assert run(service.address, tmp_path, "echo", "--text", "hi") == "hi"


def test_the_official_chart_can_start_it(container: Container, tmp_path: Path) -> None:
    """By its command `c0`; modules come by a variable, as the chart passes no arguments."""
    chosen = {"FLYTE_CONNECTORS_MODULE": "mine.connector", **SPOOL}
    with container.serving(instead=("c0",), **chosen) as service:
        assert run(service.address, tmp_path, "echo", "--text", "hi") == "hi"
    assert service.process.returncode == 0


@pytest.mark.parametrize("place", ["/", "/app", "/opt/flyte-connectors", "/usr", "/root"])
def test_it_can_write_nowhere_else(container: Container, place: str) -> None:
    """Only /tmp and what is mounted."""
    assert container.run("touch", f"{place}/file").returncode != 0
    assert container.run("touch", "/tmp/file").returncode == 0


def test_it_says_what_it_is(image: str, base: str) -> None:
    """User, ports, health check, signal and OCI annotations."""
    config = config_of(image)
    assert config["User"] == "1000:1000"
    assert set(config["ExposedPorts"]) == {"8000/tcp", "9090/tcp"}
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["StopSignal"] in ("SIGTERM", "15")
    labels = {key.rpartition(".image.")[2]: value for key, value in config["Labels"].items()}
    assert labels["title"] == "flyte-connectors"
    assert labels["base.name"] == base
    assert {"description", "licenses"} <= labels.keys()


def test_its_health_check_tells_a_service_from_none(container: Container) -> None:
    """By the port that the service is told."""
    check = config_of(container.image)["Healthcheck"]["Test"][1:]
    with container.serving(**SPOOL) as service:
        port = re.findall(r":(\d+)/metrics", service.line)[0]
        asked = container.run(*check, FLYTE_CONNECTORS_METRICS_PORT=port)
        assert asked.returncode == 0, asked.stderr
    assert container.run(*check, FLYTE_CONNECTORS_METRICS_PORT=port).returncode != 0


def test_it_has_no_installer_and_no_left_overs(container: Container) -> None:
    """Nothing of the first stage but what was installed."""
    packages = container.root / "opt/flyte-connectors/lib/python3.11/site-packages"
    found = {path.name.partition("-")[0] for path in packages.iterdir()}
    assert {"flyte_connectors", "flyte_connectors_batch_job", "grpc"} <= found
    assert not found & {"pip", "setuptools", "wheel", "uv", "protovalidate", "pytest"}
    assert not (container.root / "build").exists()
    assert not list((container.root / "tmp").iterdir())


def test_it_is_small(image: str, base: str, tmp_path: Path) -> None:
    """Over its base, uncompressed."""
    own = layer_bytes(image, tmp_path / "it")[len(layer_bytes(base, tmp_path / "base")) :]
    print(f"{sum(own) / MB:.1f} MB above the base")
    assert 0 < sum(own) <= LIMIT_MB * MB


def test_it_starts_about_as_fast_as_a_bare_process(container: Container, wheels: Path, tmp_path: Path) -> None:
    """Measured in turns, as other work on the machine slows both down."""
    bare = tmp_path / "venv"
    output("uv", "venv", "--quiet", "--python", sys.executable, str(bare))
    packages = [str(wheel) for wheel in wheels.glob("*.whl")]
    output("uv", "pip", "install", "--quiet", "--compile", "--python", str(bare), *packages)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(STARTS):
        with container.serving(**SPOOL) as service:
            seconds[0].append(service.seconds)
        seconds[1].append(start_of(bare, tmp_path))
    inside, outside = map(statistics.median, seconds)
    print(f"starts in {inside:.3f} s, the bare process in {outside:.3f} s: {inside / outside:.2f}")
    assert inside < LIMIT_OF_START * outside


def start_of(environment: Path, folder: Path) -> float:
    """Seconds until the service of a virtual environment is ready."""
    began = time.monotonic()
    command = [str(environment / "bin" / "flyte-connectors"), "serve"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--metrics-port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "FLYTE_BATCH_JOB_SPOOL": str(folder)},
    )  # fmt: skip
    with process:
        assert process.stdout
        assert process.stdout.readline().startswith("listening on ")
        seconds = time.monotonic() - began
        process.terminate()
    return seconds


def test_building_again_gives_the_same_image(base: str, wheels: Path, project: Path, pushed_to: str) -> None:
    """To the last byte: what a cluster pulls has the same digest, so nothing is restarted for it."""
    references = []
    for _ in range(2):
        built = build(base, wheels, project, "--include", "mine", "--registry", pushed_to, "--push")
        assert built.returncode == 0, built.stderr
        references.append(built.stdout.strip())
    assert references[0] == references[1]
    assert re.fullmatch(rf"{pushed_to}/flyte-connectors@sha256:[0-9a-f]{{64}}", references[0])


def test_another_file_gives_another_image(image: str, base: str, wheels: Path, project: Path, tmp_path: Path) -> None:
    """Under another tag, so that no cluster takes the one for the other."""
    shutil.copytree(project / "mine", tmp_path / "mine")
    (tmp_path / "mine" / "query.sql").write_text("select 1\n")
    built = build(base, wheels, tmp_path, "--include", "mine")
    assert built.stdout.strip() != image
    with container_of(built.stdout.strip()) as container:
        assert container.run("cat", "mine/query.sql").stdout == "select 1\n"
    output("buildah", "rmi", built.stdout.strip())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--plugin", "no_such"), "plugins: unknown plugin 'no_such'; available: "),
        (("--include", "nowhere"), "include: 'nowhere' does not exist"),
        (("--registry", "127.0.0.1:1", "--push"), r"pushing 127\.0\.0\.1:1/flyte-connectors:\w+ failed"),
        (("--builder", "kaniko"), "builder 'kaniko' is unknown"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(
    base: str, wheels: Path, project: Path, options: tuple[str, ...], text: str
) -> None:
    """The last one on standard error."""
    failed = build(base, wheels, project, *options)
    assert failed.returncode != 0
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("flyte-connectors: ")
    assert re.search(text, last), last


async def test_a_package_that_does_not_resolve_is_named(base: str, wheels: Path) -> None:
    """In one line, before anything is built."""
    image = Image.from_base(base, PYTHON).with_pip_packages("flyte-connectors[batch-job]==9.9")
    with pytest.raises(CommandError, match=r"resolving .* failed: .*9\.9") as caught:
        await ImageBuildEngine.build(image, "buildah", find_links=str(wheels))
    assert "\n" not in str(caught.value)


def test_a_second_signal_ends_it_at_once(container: Container) -> None:
    """Nothing stands between the signal and the service."""
    with container.serving(**SPOOL) as service:
        service.process.send_signal(signal.SIGINT)
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(10) is not None
