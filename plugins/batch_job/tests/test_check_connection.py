"""Whether the operator learns that the spool can't be used before a job does."""

from __future__ import annotations

from pathlib import Path

import pytest
from flyte_connectors.errors import ConnectorError

from flyte_connectors_batch_job import BatchJobConnector


def test_a_usable_spool_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what there is for jobs; nothing stays in it."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("FLYTE_BATCH_JOB_SLOTS", "3")
    (line,) = BatchJobConnector().check_connection()
    assert str(line).startswith(f"spool {tmp_path / 'spool'}, 3 slots, ")
    assert not list((tmp_path / "spool").iterdir())


def test_a_spool_that_can_not_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the folder and the variable."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL", "/proc/spool")
    (error,) = BatchJobConnector().check_connection()
    assert isinstance(error, ConnectorError)
    assert "/proc/spool (FLYTE_BATCH_JOB_SPOOL)" in error.message
