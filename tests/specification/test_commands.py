"""The documents' command lines as printed, where `flyte_connectors_official.stand_in` has put the commands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sysconfig
import time
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest
import yaml
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc as stubs
from flyteidl2.core.types_pb2 import SimpleType
from grpc_health.v1 import health_pb2

from tests.docs.markdown import DOCS, blocks
from tests.specification.pages import BLOCKS

PAGE = "connector_app"
APP = """
from pathlib import Path
import flyte
import flyte.app

connector = flyte.app.ConnectorEnvironment(
    name="batch-job-connector",
    image=flyte.Image.from_debian_base(python_version=(3, 12)).with_pip_packages("flyte[connector]"),
    include=["my_connector"],
)
"""
STAND_IN = ("-m", "flyte_connectors_official.stand_in")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the packages of this one, and the stand-in."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    here = sysconfig.get_path("purelib")
    Path(packages, "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    ended = run(folder, "python", *STAND_IN)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 4
    return folder


def run(environment: Path, command: str, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(environment / "bin" / command), *arguments],
        capture_output=True, text=True, check=False, cwd=cwd or environment, env=variables(environment),
    )  # fmt: skip


def variables(environment: Path) -> dict[str, str]:
    return {
        **{name: text for name, text in os.environ.items() if not name.startswith("FLYTE_")},
        "PATH": f"{environment / 'bin'}:/usr/bin:/bin",
        "FLYTE_CONNECTORS_STATE_DIR": str(environment / "state"),
        "FLYTE_CONNECTORS_DENY": "flyte-connectors-batch-job",
        "FLYTE_BATCH_JOB_SPOOL": str(environment / "spool"),
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The page's project, with jobs that take a tenth of a second."""
    package = tmp_path / "my_connector"
    package.mkdir()
    (package / "__init__.py").touch()
    for block, file in (("1_connector", "connector"), ("2_task", "task")):
        code = (BLOCKS / PAGE / f"{block}.py").read_text()
        (package / f"{file}.py").write_text(code.replace("elapsed < 5", "elapsed < 0.1"))
    main = (BLOCKS / PAGE / "3_main.py").read_text()
    (tmp_path / "main.py").write_text(f"import my_connector.connector\n{main}")
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def test_flyte_run(environment: Path, project: Path) -> None:
    """As printed: `flyte run main.py my_batch_job --name hello`; `--local` is what the SDK's users add."""
    ended = run(
        environment,
        "flyte",
        "run",
        "--local",
        "main.py",
        "my_batch_job",
        "--name",
        "hello",
        cwd=project,
    )
    assert re.search(r"result = .?output-from-", ended.stdout), ended.stderr


def test_python_finds_the_names(environment: Path) -> None:
    """As the page's `python main.py` does; this project is not imported before they are asked for."""
    code = (
        "import sys; assert 'flyte_connectors' not in sys.modules\n"
        "import flyte.connectors, flytekit.extend.backend.base_connector as base\n"
        "assert issubclass(base.AsyncConnectorBase, flyte.connectors.AsyncConnector)"
    )
    ended = run(environment, "python", "-c", code)
    assert ended.returncode == 0, ended.stderr


def test_flyte_deploy(environment: Path, project: Path) -> None:
    """As printed: `flyte deploy app.py connector`; the dry run needs no builder and no cluster."""
    shown = run(environment, "flyte", "deploy", "app.py", "connector", "--dry-run", cwd=project)
    assert "my_connector.connector" in shown.stdout, shown.stderr


def test_c0_serves_as_the_official_chart_starts_it(environment: Path, project: Path) -> None:
    """No arguments; the environment of `docs/moving.md`, and what Kubernetes sets for a Service of our name."""
    (values,) = [block for block in blocks(DOCS / "moving.md") if block.code.startswith("# values.yaml")]
    chosen = {entry["name"]: entry["value"] for entry in yaml.safe_load(values.code)["podEnv"]}
    assert chosen.pop("FLYTE_CONNECTORS_MODULE") == "my_connector"
    linked = {
        "FLYTE_CONNECTORS_PORT": "tcp://10.0.0.1:8000",
        "FLYTE_CONNECTORS_SERVICE_HOST": "10.0.0.1",
    }
    own = {"FLYTE_CONNECTORS_MODULE": "my_connector.connector"}
    port = free_port()
    ports = ("--port", str(port), "--prometheus_port", "0")
    ready = serving(environment, project, {**chosen, **linked, **own}, *ports)
    with ready as line:
        assert re.match(rf"listening on 0\.0\.0\.0:{port} for .*batch_job", line), line
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                health_pb2.HealthCheckRequest.SerializeToString,
                health_pb2.HealthCheckResponse.FromString,
            )(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            assert result_of_a_job(channel).startswith("output-from-")


def test_c0_takes_the_options_of_the_sdks_command(environment: Path, project: Path) -> None:
    """Modules are repeatable; the variable of the address wins over `c0`'s own default; `--timeout` ends it."""
    modules = ("--modules", "my_connector.connector", "--modules", "my_connector.task")
    ports = ("--port", "0", "--prometheus_port", "0", "--worker", "4", "--timeout", "2")
    local = {"FLYTE_CONNECTORS_HOST": "127.0.0.1"}
    with serving(environment, project, local, *modules[:2], *ports, end=False) as line:
        assert line.startswith("listening on 127.0.0.1:")
    refused = run(environment, "c0", *modules, *ports, cwd=project)
    assert "--module my_connector.task: registers no connector" in refused.stderr


@contextlib.contextmanager
def serving(environment: Path, folder: Path, more: Mapping[str, str], *options: str, end: bool = True) -> Iterator[str]:
    """`c0` in a process; yields what it says when it is ready. It must end well, by a signal or by itself."""
    process = subprocess.Popen(
        [environment / "bin" / "c0", *options],
        cwd=folder, env={**variables(environment), **more}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline()
            if end:
                process.send_signal(signal.SIGTERM)
            assert process.wait(25) == 0
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def result_of_a_job(channel: grpc.Channel) -> str:
    """What a job of the page's connector comes to, as the back end would ask for it."""
    stub = stubs.AsyncConnectorServiceStub(channel)
    template = pb.CreateTaskRequest().template
    template.type = "batch_job"
    variable = template.interface.outputs.variables.add(key="result")
    variable.value.type.simple = SimpleType.STRING
    created = stub.CreateTask(pb.CreateTaskRequest(template=template), timeout=20)
    get = pb.GetTaskRequest(resource_meta=created.resource_meta, task_category={"name": "batch_job"})
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        resource = stub.GetTask(get, timeout=10).resource
        if resource.outputs.literals:
            text: str = resource.outputs.literals[0].value.scalar.primitive.string_value
            return text
        time.sleep(0.2)
    raise AssertionError("the job did not end")


def test_nothing_of_somebody_elses_is_replaced(environment: Path) -> None:
    """A `flyte` that another package has brought stays, unless one asks for it; ours are removed."""
    script = environment / "bin" / "flyte"
    ours = script.read_text()
    script.write_text("#!/bin/sh\necho theirs\n")
    refused = run(environment, "python", *STAND_IN, "flyte")
    assert (refused.returncode, script.read_text()) == (1, "#!/bin/sh\necho theirs\n")
    assert "is another program's: use --replace" in refused.stderr
    assert run(environment, "python", *STAND_IN, "flyte", "--replace").returncode == 0
    assert script.read_text() == ours
    assert run(environment, "python", *STAND_IN, "flyte", "--remove").returncode == 0
    assert not script.exists()
    assert run(environment, "python", *STAND_IN, "flyte").returncode == 0


def test_an_unknown_part_is_refused(environment: Path) -> None:
    """With those that there are."""
    refused = run(environment, "python", *STAND_IN, "flite")
    assert refused.returncode == 2
    assert "'flite' is unknown: use flyte, c0, imports" in refused.stderr
