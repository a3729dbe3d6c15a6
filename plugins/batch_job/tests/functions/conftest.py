"""The run history of each test in its own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from batch_jobs import Jobs


@pytest.fixture(autouse=True)
def _state(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", f"{jobs.spool.root}/.runs")
