"""`list`: what is installed, and how it loaded."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.fakes.distributions import install

GREETER = """
    from flyte_connectors import Phase, Resource, SyncConnector

    class Greeter(SyncConnector):
        name = "Greeter"
        task_type_name = "greeter"

        def do(self, **kwargs):
            return Resource(phase=Phase.SUCCEEDED)
"""


def test_the_table_shows_each_plugin(command: Command) -> None:
    """One line, with task type and verbs."""
    ended = command("list")
    assert (ended.returncode, ended.stderr) == (0, "")
    header, *rows = ended.stdout.splitlines()
    assert header.split()[:3] == ["PLUGIN", "DISTRIBUTION", "STATUS"]
    row = next(row for row in rows if row.startswith("batch_job"))
    assert "flyte-connectors-batch-job" in row
    assert "loaded" in row
    assert "create get get_many delete get_logs get_metrics" in row
    assert "\x1b" not in ended.stdout


def test_json_says_the_same(command: Command) -> None:
    """For programs."""
    reports = json.loads(command("list", "--json").stdout)
    report = next(report for report in reports if report["plugin"] == "batch_job")
    assert report["status"] == "loaded"
    assert report["connectors"][0]["task_type"] == "batch_job"


def test_a_broken_plugin_is_shown_with_its_reason(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the others, which are not harmed."""
    install(tmp_path, "broken-one", "raise RuntimeError('no license')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    ended = command("list")
    rows = {row.split()[0]: row for row in ended.stdout.splitlines()}
    assert "failed" in rows["broken_one"]
    assert "RuntimeError: no license" in rows["broken_one"]
    assert "loaded" in rows["batch_job"]


def test_blocked_plugins_are_shown_as_such(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable holds for every command."""
    monkeypatch.setenv("FLYTE_CONNECTORS_DENY", "Flyte_Connectors_Batch.Job")
    row = next(row for row in command("list").stdout.splitlines() if row.startswith("batch_job"))
    assert "blocked" in row
    assert row.endswith("denied")


def test_a_plugin_whose_task_type_is_served_is_shadowed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first distribution of the alphabet; the row of the other names it."""
    for name in ("one", "two"):
        install(tmp_path, f"acme-{name}", GREETER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    rows = {row.split()[0]: row for row in command("list").stdout.splitlines()}
    assert "loaded" in rows["acme_one"]
    assert "shadowed" in rows["acme_two"]
    assert "acme-one 1.2.3" in rows["acme_two"]


def test_requirements_pin_the_plugins_and_the_core(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken and blocked ones, too: they are on this host."""
    install(tmp_path, "broken-one", "raise RuntimeError('no license')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("FLYTE_CONNECTORS_DENY", "batch_job")
    ended = command("list", "--requirements")
    assert (ended.returncode, ended.stderr) == (0, "")
    pins = ended.stdout.splitlines()
    assert "broken-one==1.2.3" in pins
    assert f"flyte-connectors-batch-job=={version('flyte-connectors-batch-job')}" in pins
    core = rf"flyte-connectors(\[otel\])?=={re.escape(version('flyte-connectors'))}"
    assert sum(1 for pin in pins if re.fullmatch(core, pin)) == 1


def test_requirements_name_the_extras_that_plugins_need(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them, the plugin would not be there on the other host."""
    install(tmp_path, "acme-traces", GREETER, extra="spans")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "acme-traces[spans]==1.2.3" in command("list", "--requirements").stdout.splitlines()


def test_json_and_requirements_exclude_each_other(command: Command) -> None:
    """One output has one form."""
    ended = command("list", "--json", "--requirements")
    assert ended.returncode == 2
    assert "not allowed with" in ended.stderr
