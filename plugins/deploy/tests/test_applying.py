"""`deploy`: what is shown, in what order things happen, and that nothing is half applied.

There is no API server here: a script on PATH takes `kubectl`'s place, and answers as it is told.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from flyte_connectors import ConnectorEnvironment, Image, deploy
from flyte_connectors.cli import main

from flyte_connectors_deploy.commands import CommandError

APP = """
from flyte_connectors import ConnectorEnvironment

connector = ConnectorEnvironment(name="my-connector", include=["mine.py"], replicas=1)
"""
CONNECTOR = """
from flyte_connectors import AsyncConnector, ConnectorRegistry, ResourceMeta

class Mine(AsyncConnector):
    task_type_name = "mine"
    metadata_type = ResourceMeta

    def create(self, task_template, **kwargs): ...
    def get(self, resource_meta, **kwargs): ...
    def delete(self, resource_meta, **kwargs): ...

ConnectorRegistry.register(Mine)
"""


@pytest.fixture
def app(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(CONNECTOR)
    path = tmp_path / f"app_{tmp_path.name.replace('-', '_')}.py"
    path.write_text(APP)
    return str(path)


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `kubectl` that writes down how it is called; refuses with the text in `refuse`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "kubectl"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/calls\ncat > {folder}/objects\n'
        f"if [ -f {folder}/refuse ]; then cat {folder}/refuse >&2; exit 1; fi\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def _finished(**values: Any) -> ConnectorEnvironment:
    return ConnectorEnvironment(name="connector", image="registry.example.org/c:1", **values)


def test_a_dry_run_prints_what_kubectl_takes(app: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Documents on standard output, the back end's configuration as a comment."""
    assert main(["deploy", app, "connector", "--dry-run"]) == 0
    output = capsys.readouterr().out
    kinds = [document["kind"] for document in yaml.safe_load_all(output)]
    assert kinds == ["Service", "Deployment", "PodDisruptionBudget", "NetworkPolicy"]
    assert '#           endpoint: "dns:///my-connector.flyte.svc.cluster.local:8000"' in output
    assert "#         - mine\n" in output


def test_yaml_that_is_asked_for_is_printed_and_not_applied(
    app: str, kubectl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`-o yaml` shows, as it does for kubectl; the cluster is not even asked."""
    assert main(["deploy", app, "connector", "-o", "yaml"]) == 0
    kinds = [document["kind"] for document in yaml.safe_load_all(capsys.readouterr().out)]
    assert "Deployment" in kinds
    assert not (kubectl / "calls").exists()


def test_an_environment_is_found_by_name_too(app: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And one that is not there is an error that lists those that are."""
    assert main(["deploy", app, "my-connector", "--dry-run"]) == 0
    capsys.readouterr()
    assert main(["deploy", app, "connecter", "--dry-run"]) == 1
    error = capsys.readouterr().err
    assert "no ConnectorEnvironment named 'connecter' in " in error
    assert "(found: connector, my-connector)" in error


def test_a_kustomize_base_lists_its_files(app: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each resource is a file; the back end's configuration is there, and none."""
    folder = tmp_path / "base"
    assert main(["deploy", app, "connector", "-o", "kustomize", "--output-dir", str(folder)]) == 0
    resources = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    kinds = {yaml.safe_load((folder / name).read_text())["kind"].lower() for name in resources}
    assert {f"{kind}.yaml" for kind in kinds} == set(resources)
    back_end = yaml.safe_load((folder / "flyte-back-end.yaml").read_text())
    assert back_end["plugins"]["connector-service"]["supportedTaskTypes"] == ["mine"]
    assert len(capsys.readouterr().out.splitlines()) == len(resources) + 2


def test_the_cluster_is_asked_before_it_is_told(kubectl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All objects at once, after they have been shown."""
    (done,) = deploy(_finished())
    calls = (kubectl / "calls").read_text().splitlines()
    assert calls == ["apply --filename - --dry-run=server", "apply --filename -"]
    assert json.loads((kubectl / "objects").read_text())["items"] == done.objects
    assert "kind: Deployment" in capsys.readouterr().err
    assert str(done) == ("connector: deployed, at dns:///connector.flyte.svc.cluster.local:8000")


def test_nothing_is_applied_if_the_cluster_refuses_an_object(kubectl: Path) -> None:
    """Its reason is the error, in one line."""
    (kubectl / "refuse").write_text("warning: x\nError from server (Forbidden): services is\n no\n")
    with pytest.raises(CommandError, match=r"validating in the cluster failed: Error from server \(For"):
        deploy(_finished())
    assert (kubectl / "calls").read_text().splitlines() == ["apply --filename - --dry-run=server"]


def test_without_kubectl_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missed first."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="kubectl is not installed"):
        deploy(ConnectorEnvironment(name="connector", image=Image.from_debian_base(registry="r")))


@pytest.mark.usefixtures("kubectl")
def test_an_image_without_a_registry_is_not_deployed() -> None:
    """No cluster could pull it."""
    with pytest.raises(CommandError, match="connector: the cluster can't pull an image without a"):
        deploy(ConnectorEnvironment(name="connector"))


@pytest.mark.parametrize(
    ("builder", "text"),
    [
        ("kaniko", "builder 'kaniko' is unknown: use local, buildah, docker or remote"),
        ("buildah", "buildah is not installed: apt-get install buildah"),
        ("docker", "docker is not installed"),
        ("local", "buildah is not installed"),
        (
            "remote",
            "builder 'remote' builds in Flyte's back end through the official SDK: pip install",
        ),
    ],
)
def test_a_missing_builder_is_named(
    builder: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """With the way to have one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["image", "build", "--builder", builder]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"flyte-connectors: {text}")


def test_a_version_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With how to write one, before anything is built."""
    with pytest.raises(SystemExit):
        main(["image", "build", "--python", "three"])
    assert "'three' is not a Python version: use a form like 3.12" in capsys.readouterr().err
