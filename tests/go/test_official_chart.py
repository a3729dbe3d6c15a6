"""The official chart, rendered with the values of the page on moving: what it starts is our `c0`, and a job goes through.

The chart is another project's, so it is not here. `FLYTE_CHARTS` names the folder `charts` of a copy of flyteorg/flyte.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import pytest
import yaml
from flyte_connectors import NativeInterface, TaskTemplate
from flyte_connectors.testing.harness import execution_of
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc as stubs

HERE = pathlib.Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "moving.md"
CHARTS = os.environ.get("FLYTE_CHARTS", "")
CONNECTOR = """
import os, pathlib
from flyte_connectors import ConnectorRegistry, Phase, Resource, SyncConnector

class Account(SyncConnector):
    name = task_type_name = "account"
    async def do(self, *, key, **kwargs):
        mounted = pathlib.Path(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]).name
        return Resource(Phase.SUCCEEDED, outputs={"text": f"{mounted} {'service_account' in key}"})

ConnectorRegistry.register(Account)
"""

pytestmark = [
    pytest.mark.skipif(not CHARTS, reason="FLYTE_CHARTS names no charts of flyteorg/flyte"),
    pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed"),
    pytest.mark.timeout(300),
]


def merged(below: Any, above: Any) -> Any:
    """Values over those of a chart, as Helm merges them."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the chart makes of the page's values, by kind."""
    (block,) = re.findall(r"```yaml\n# values.yaml\n(image:.*?)```", PAGE.read_text(), re.DOTALL)
    folder = pathlib.Path(CHARTS) / "flyteconnector"
    chart, values = (yaml.safe_load((folder / name).read_text()) for name in ("Chart.yaml", "values.yaml"))
    given = {
        "Folder": str(folder),
        "Chart": {"Name": chart["name"], "Version": chart["version"]},
        "Values": merged(values, yaml.safe_load(block)),
        "Release": {"Name": "connectors", "Namespace": "flyte", "Service": "Helm"},
    }
    cache = tmp_path_factory.mktemp("go")
    done = subprocess.run(
        ["go", "run", str(HERE / "chart" / "render.go")],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GO111MODULE": "off", "GOCACHE": str(cache)},
    )
    assert done.returncode == 0, done.stderr
    return {made["kind"]: made for made in yaml.safe_load_all(done.stdout) if made}


def test_the_page_says_what_the_chart_does(objects: dict[str, Any]) -> None:
    """The command, the port, the probe and the mounted secret; no arguments and no grace time."""
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.org/me/flyte-connectors:0f7c1a2b3c4d5e6f"
    assert container["command"] == ["c0"]
    assert "args" not in container
    assert "terminationGracePeriodSeconds" not in pod
    assert container["readinessProbe"]["grpc"] == {"port": 8000}
    assert [port["containerPort"] for port in container["ports"]] == [8000]
    (mount,) = container["volumeMounts"]
    (volume,) = pod["volumes"]
    assert mount == {"mountPath": "/etc/secrets", "name": volume["name"]}
    assert volume["secret"]["secretName"] == objects["Secret"]["metadata"]["name"]
    assert json.loads(objects["Secret"]["stringData"]["google.json"])["type"] == "service_account"
    assert "ClusterRole" not in objects
    service = objects["Service"]["spec"]
    assert service["selector"].items() <= objects["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert (service["type"], service["ports"][0]["port"]) == ("ClusterIP", 8000)


@pytest.fixture
def address(objects: dict[str, Any], tmp_path: pathlib.Path) -> Iterator[str]:
    """The service that the container's command and variables start here, with its secret's files."""
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    for name, text in objects["Secret"]["stringData"].items():
        (tmp_path / name).write_text(text)
    (tmp_path / "my_connector.py").write_text(CONNECTOR)
    variables = {one["name"]: one["value"].replace("/etc/secrets", str(tmp_path)) for one in container["env"]}
    variables |= {
        "FLYTE_CONNECTORS_HOST": "127.0.0.1",
        "FLYTE_CONNECTORS_PORT": "0",
        "FLYTE_CONNECTORS_METRICS_PORT": "0",
        "PYTHONPATH": str(tmp_path),
    }
    start = [sys.executable, "-m", "flyte_connectors_official.stand_in.c0"]
    with subprocess.Popen(
        start,
        env={**os.environ, **variables, "FLYTE_CONNECTORS_ALLOW": "official"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            yield re.findall(r"listening on \S+:(\d+)", line)[0]
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_a_job_goes_through_what_it_starts(address: str) -> None:
    """With the account of the values, as the environment's variable and as a task's secret."""
    template = TaskTemplate("t", NativeInterface({}, {"text": str}), "account").to_proto()
    template.custom.update({"secrets": {"key": "google.json"}})
    request = execution_of(pb.CreateTaskRequest(template=template))
    with grpc.insecure_channel(f"127.0.0.1:{address}") as channel:
        jobs = stubs.AsyncConnectorServiceStub(channel)
        meta = jobs.CreateTask(request, timeout=60).resource_meta
        about = {"resource_meta": meta, "task_category": {"name": "account"}}
        done = jobs.GetTask(pb.GetTaskRequest(**about), timeout=60)
    assert done.resource.outputs.literals[0].value.scalar.primitive.string_value == "google.json True"
