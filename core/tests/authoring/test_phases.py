"""Every state has a phase, whether anybody has heard of it or not."""

from __future__ import annotations

import logging

import pytest
from flyte_connectors.authoring import phase_of
from flyte_connectors.connector import Phase
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", Phase.QUEUED),
        ("in-progress", Phase.RUNNING),
        ("In Progress", Phase.RUNNING),
        ("NODE_FAILED", Phase.RETRYABLE_FAILED),
        ("Cancelled", Phase.ABORTED),
    ],
)
def test_common_states_are_known_however_they_are_spelled(state: str, phase: Phase) -> None:
    """In capitals, with hyphens, underscores or spaces."""
    assert phase_of(state) is phase


def test_a_service_may_mean_something_else_by_a_state() -> None:
    """Its own table wins."""
    assert phase_of("done", {"done": Phase.FAILED}) is Phase.FAILED


@given(st.text())
def test_no_state_raises_or_is_undefined(state: str) -> None:
    """Flyte takes UNDEFINED for a failure of the system."""
    assert phase_of(state) is not Phase.UNDEFINED


def test_an_unknown_state_is_running_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With the state and the job."""
    with caplog.at_level(logging.WARNING):
        assert phase_of("frobnicating", job="j1") is Phase.RUNNING
    assert "unknown state 'frobnicating' of job j1, taken as RUNNING" in caplog.text
