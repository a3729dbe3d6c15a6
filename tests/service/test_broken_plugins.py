"""Installed plugins that are broken: real distributions on the path of a real service process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2

from tests.fakes.distributions import install
from tests.fakes.job_service import JobService
from tests.fakes.serve_process import COMMAND, FAKE, ROOT, SECONDS_TO_START, serving
from tests.service.client import Client, refusal
from tests.service.http import fetch

GOOD = """
    from flyte_connectors import AsyncConnector, Resource, ResourceMeta

    class Meta(ResourceMeta):
        pass

    class Connector(AsyncConnector):
        name = "Good"
        task_type_name = "good"
        metadata_type = Meta

        async def create(self, **kwargs):
            return Meta()

        async def get(self, resource_meta, **kwargs):
            return Resource(phase=3)

        async def delete(self, resource_meta, **kwargs):
            pass
"""
BROKEN = {
    "raises": ("raise RuntimeError('no\\nlicense')", "RuntimeError: no license"),
    "exits": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "lacks-its-import": ("import no_such_vendor_sdk", "No module named 'no_such_vendor_sdk'"),
    "registers-nothing": ("VALUE = 1", "registers no connector"),
    "misspells-a-hook": (GOOD.replace("def delete", "def delte"), "delete"),
    "lacks-a-task-type": (GOOD.replace('task_type_name = "good"', ""), "task_type_name"),
    "odd-version": (GOOD.replace('task_type_name = "good"', 'task_type_name = "good"; task_type_version = "1"'), "task_type_version"),
    "no-meta": (GOOD.replace("metadata_type = Meta", ""), "metadata_type"),
    "other-hook-api": (GOOD.replace('name = "Good"', 'name = "Good"; hook_api = 99'), "hook API 99"),
    "sync-and-async": (GOOD + "\n        def do(self, **kwargs):\n            pass\n", "do"),
}  # fmt: skip
SYNC = GOOD.replace("async def create", "def create")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on the path of processes that the test starts."""
    folder = tmp_path / "site"
    folder.mkdir()
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.delenv("FLYTE_CONNECTORS_ALLOW", raising=False)
    monkeypatch.delenv("FLYTE_CONNECTORS_DENY", raising=False)
    return folder


def install_broken(site: Path) -> None:
    """One distribution for each way to be broken."""
    for name, (source, _) in BROKEN.items():
        install(site, name, source, ":Connector" if source.startswith(GOOD[:40]) else "")


def refused_start(*arguments: str) -> tuple[int, Sequence[str]]:
    """Exit code and output of a `serve` that does not start."""
    command = [*COMMAND, "serve", "--port", "0", "--metrics-port", "0", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=SECONDS_TO_START, check=False)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr.splitlines()


def test_a_broken_plugin_stops_the_start(site: Path) -> None:
    """In one line that names every plugin, its version and the reason; not one warning among many."""
    install_broken(site)
    code, lines = refused_start("--deny", "flyte-connectors-batch-job")
    assert code == 1
    assert len(lines) == 1, lines
    for name, (_, reason) in BROKEN.items():
        part = lines[0].partition(f"({name} 1.2.3): ")[2].partition(";")[0]
        assert reason in part, name
    assert "--lenient" in lines[0]


async def test_a_lenient_service_serves_what_is_well(site: Path, jobs: JobService, tmp_path: Path) -> None:
    """Health tells of the rest, and so does the answer to who looks for a type of theirs."""
    install_broken(site)
    install(site, "well", GOOD, ":Connector")
    install(site, "sync-create", SYNC.replace('"good"', '"sync_create"'), ":Connector")
    with serving("--lenient", "--module", FAKE, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            for task_type in ("good", "sync_create", "fake_job"):
                assert (await (await client.create(task_type)).get()).phase
            for name in BROKEN:
                module = name.replace("-", "_")
                assert await client.status(f"plugin/{module}") == health_pb2.HealthCheckResponse.NOT_SERVING
            assert await client.status() == health_pb2.HealthCheckResponse.SERVING
            code, text = await refusal(client.create("theirs"))
        metrics = await fetch(service.metrics, "/metrics")
    assert code == "NOT_FOUND"
    assert "no license" in text
    assert f'flyte_connectors_plugins{{status="failed"}} {len(BROKEN):.1f}' in metrics.body


async def test_two_plugins_of_one_type_are_told_apart(site: Path, tmp_path: Path) -> None:
    """The first by name serves it; the other is reported, with both distributions named."""
    install(site, "first", GOOD, ":Connector")
    install(site, "second", GOOD.replace("Good", "Other"), ":Connector")
    with serving(log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            await client.create("good")
        metrics = await fetch(service.metrics, "/metrics")
    log = service.log.read_text()
    line = next(line for line in log.splitlines() if line.startswith("shadowed"))
    assert "first 1.2.3" in line
    assert "second 1.2.3" in line
    assert 'flyte_connectors_plugins{status="shadowed"} 1.0' in metrics.body


def test_a_blocked_plugin_is_never_imported(site: Path, tmp_path: Path) -> None:
    """Neither one that is denied, by whatever spelling, nor one that is not on the allow-list."""
    mark = tmp_path / "imported"
    for name in ("is-denied", "is-not-listed"):
        install(site, name, f"open({str(mark)!r}, 'w')")
    allowed = ("--allow", "is-denied", "--allow", "well", "--deny", "Is_Denied")
    install(site, "well", GOOD, ":Connector")
    with serving(*allowed, log=tmp_path / "log") as service:
        assert service.stop() == 0
    assert not mark.exists()


@pytest.mark.parametrize("given_by", ["flag", "variable", "file"])
def test_a_misspelt_name_to_deny_stops_the_start(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given_by: str
) -> None:
    """It would serve what was meant to be denied; the message has the name that is probably meant."""
    install(site, "acme-plugin", GOOD, ":Connector")
    arguments: tuple[str, ...] = ()
    if given_by == "flag":
        arguments, where = ("--deny", "acme-plugn"), "--deny"
    elif given_by == "variable":
        monkeypatch.setenv("FLYTE_CONNECTORS_DENY", "acme-plugn")
        where = "FLYTE_CONNECTORS_DENY"
    else:
        config = tmp_path / "config.toml"
        config.write_text('deny = ["acme-plugn"]\n')
        arguments, where = ("--config", str(config)), str(config)
    code, lines = refused_start(*arguments)
    assert code == 1
    assert len(lines) == 1, lines
    assert where in lines[0]
    assert "no installed plugin is called 'acme-plugn' (did you mean 'acme-plugin'?)" in lines[0]


def test_a_misspelt_name_to_allow_is_told(site: Path, tmp_path: Path) -> None:
    """It serves less than was meant, not more: the service starts."""
    install(site, "acme-plugin", GOOD, ":Connector")
    with serving("--allow", "acme-plugn", log=tmp_path / "log") as service:
        log = service.log.read_text()
    assert "no installed plugin is called 'acme-plugn'" in log
    assert "did you mean 'acme-plugin'?" in log


async def test_a_plugin_that_lacks_an_extra_stops_nobody(site: Path, tmp_path: Path) -> None:
    """The start says what to install, and so does the answer to who asks for its task type."""
    install(site, "good", GOOD, ":Connector")
    install(site, "partial", "import no_such_vendor_sdk")
    with (site / "partial-1.2.3.dist-info" / "METADATA").open("a") as metadata:
        metadata.write('Provides-Extra: vendor\nRequires-Dist: no-such-vendor-sdk; extra == "vendor"\n')
    with serving(log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            await client.create("good")
            code, text = await refusal(client.create("partial"))
        metrics = await fetch(service.metrics, "/metrics")
    assert "unavailable: partial (partial 1.2.3)" in service.log.read_text()
    assert code == "NOT_FOUND"
    assert 'pip install "partial[vendor]"' in text
    assert 'flyte_connectors_plugins{status="unavailable"} 1.0' in metrics.body


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no\\nlicense')", "RuntimeError while importing it: no license"),
        ("VALUE = 1", "registers no connector"),
        ("import sys; sys.exit('bye')", "SystemExit while importing it: bye"),
    ],
)
def test_a_broken_module_stops_the_start(tmp_path: Path, source: str, reason: str) -> None:
    """In one line that names the file."""
    file = tmp_path / "mine.py"
    file.write_text(source)
    code, lines = refused_start("--module", str(file))
    assert code == 1
    assert len(lines) == 1, lines
    assert str(file) in lines[0]
    assert reason in lines[0]


def test_a_service_without_plugins_says_so(tmp_path: Path) -> None:
    """It starts, for probes to see; and a signal right after its first line is not lost."""
    with serving("--allow", "nobody", log=tmp_path / "log") as service:
        assert service.stop() == 0
