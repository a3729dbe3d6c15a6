"""The deployment script and the image script of the documents that the names come from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

APP = """# app.py
from pathlib import Path

import flyte
import flyte.app

image = flyte.Image.from_debian_base(python_version=(3, 12)).with_pip_packages("flyte[connector]")

connector = flyte.app.ConnectorEnvironment(
    name="batch-job-connector",
    image=image,
    resources=flyte.Resources(cpu="1", memory="1Gi"),
    include=["my_connector"],
)

if __name__ == "__main__":
    flyte.init_from_config(root_dir=Path(__file__).parent)
    d = flyte.deploy(connector)
    print(d[0])
"""
CONNECTOR = """
from flyte.connectors import AsyncConnector, ConnectorRegistry, ResourceMeta

class BatchJobConnector(AsyncConnector):
    task_type_name = "batch_job"
    metadata_type = ResourceMeta

    async def create(self, task_template, **kwargs): ...
    async def get(self, resource_meta, **kwargs): ...
    async def delete(self, resource_meta, **kwargs): ...

ConnectorRegistry.register(BatchJobConnector())
"""
AS_FLYTE = "import runpy, sys, flyte_connectors; flyte_connectors.install_as_flyte(); "


def _project(folder: Path) -> Path:
    package = folder / "my_connector"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "connector.py").write_text(CONNECTOR)
    (folder / "app.py").write_text(APP)
    return folder / "app.py"


def test_the_script_as_printed_is_shown_from_the_command_line(tmp_path: Path) -> None:
    """`deploy app.py connector --dry-run`, from any folder: valid YAML that serves its module."""
    command = [sys.executable, "-m", "flyte_connectors", "deploy", str(_project(tmp_path))]
    ran = subprocess.run([*command, "connector", "--dry-run"], capture_output=True, text=True, check=True, cwd="/")
    objects = {document["kind"]: document for document in yaml.safe_load_all(ran.stdout)}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][-2:] == ["--module", "my_connector.connector"]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert objects["Service"]["metadata"]["name"] == "batch-job-connector"


def test_the_script_as_printed_runs_until_it_needs_a_cluster(tmp_path: Path) -> None:
    """`python app.py` shows everything, then says that there is no kubectl."""
    run = f"runpy.run_path({str(_project(tmp_path))!r}, run_name='__main__')"
    ran = subprocess.run(
        [sys.executable, "-c", AS_FLYTE + run], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )  # fmt: skip
    assert "kind: Deployment" in ran.stderr
    assert ran.stderr.splitlines()[-1].endswith("kubectl is not installed: https://kubernetes.io/docs/tasks/tools/")


def _shown(*arguments: str | Path) -> list[str]:
    command = [sys.executable, "-m", "flyte_connectors", "deploy", *map(str, arguments)]
    ran = subprocess.run([*command, "connector", "--dry-run"], capture_output=True, text=True, check=True)
    objects = {document["kind"]: document for document in yaml.safe_load_all(ran.stdout)}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    args: list[str] = container["args"]
    return args


def test_modules_are_called_as_seen_from_root_dir(tmp_path: Path) -> None:
    """A project with its deployment script in a folder of its own; `--root-dir` says it, too."""
    script = _project(tmp_path).read_text().replace("__file__).parent", "__file__).parents[1]")
    deploying = "    d = flyte.deploy(connector)\n    print(d[0])\n"
    assert deploying in script
    app = tmp_path / "deploy" / "app.py"
    app.parent.mkdir()
    app.write_text(script.replace(deploying, "    print(connector.sources().modules)\n"))
    run = f"runpy.run_path({str(app)!r}, run_name='__main__')"
    ran = subprocess.run([sys.executable, "-c", AS_FLYTE + run], capture_output=True, text=True, check=True)
    assert ran.stdout == "('my_connector.connector',)\n"
    assert _shown(app, "--root-dir", tmp_path)[-2:] == ["--module", "my_connector.connector"]


def test_the_names_of_the_image_script_are_ours() -> None:
    """`from flyte import Image` and `from flyte.extend import ImageBuildEngine`."""
    check = (
        "from flyte import Image; from flyte.extend import ImageBuildEngine; "
        "image = Image.from_debian_base(registry='ghcr.io/me', name='c')"
        ".with_pip_packages('flyte-connectors[bigquery]', pre=True); "
        "print(image.uri(), ImageBuildEngine.build)"
    )
    ran = subprocess.run([sys.executable, "-c", AS_FLYTE + check], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("ghcr.io/me/c:")
