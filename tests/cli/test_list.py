"""`list`: what is installed, and how it loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.connectors.distributions import install


def test_the_table_shows_each_plugin(command: Command) -> None:
    """One line, with task type and verbs."""
    ended = command("list")
    assert (ended.returncode, ended.stderr) == (0, "")
    header, *rows = ended.stdout.splitlines()
    assert header.split()[:3] == ["PLUGIN", "DISTRIBUTION", "STATUS"]
    row = next(row for row in rows if row.startswith("batch_job"))
    assert "flyte-connectors-batch-job" in row
    assert "loaded" in row
    assert "create get delete get_logs get_metrics" in row
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


def test_blocked_plugins_are_shown_as_such(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable holds for every command."""
    monkeypatch.setenv("FLYTE_CONNECTORS_DENY", "Flyte_Connectors_Batch.Job")
    row = next(row for row in command("list").stdout.splitlines() if row.startswith("batch_job"))
    assert "blocked" in row
    assert row.endswith("denied")
