"""Every state and error reason of BigQuery has a phase, and none raises."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors_bigquery.jobs.states import message_of, phase_of
from hypothesis import given
from hypothesis import strategies as st

ERRORS = st.none() | st.fixed_dictionaries(
    {}, optional={"reason": st.text(), "message": st.text(), "location": st.text()}
)


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", Phase.QUEUED),
        ("RUNNING", Phase.RUNNING),
        ("DONE", Phase.SUCCEEDED),
        ("PREEMPTED_BY_ALIENS", Phase.RUNNING),
        (None, Phase.RUNNING),
    ],
)
def test_states_have_phases(state: str | None, phase: Phase) -> None:
    """States that nobody has heard of count as running."""
    assert phase_of(_job(state)) == phase


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        *((reason, Phase.RETRYABLE_FAILED) for reason in (
            "backendError", "badGateway", "internalError", "jobBackendError", "jobInternalError",
            "jobRateLimitExceeded", "rateLimitExceeded", "tableUnavailable",
        )),
        *((reason, Phase.FAILED) for reason in (
            "accessDenied", "attributeError", "billingNotEnabled", "billingTierLimitExceeded",
            "blocked", "bytesBilledLimitExceeded", "duplicate", "invalid", "invalidQuery",
            "notFound", "notImplemented", "quotaExceeded", "resourceInUse", "resourcesExceeded",
            "responseTooLarge", "timeout", "somethingNew", None,
        )),
        ("stopped", Phase.ABORTED),
    ],
)  # fmt: skip
def test_reasons_have_phases(reason: str | None, phase: Phase) -> None:
    """Passing faults are worth another attempt, the author's are not; cancelled is aborted."""
    assert phase_of(_job("DONE", {"reason": reason, "message": "why"})) == phase


def test_a_time_limit_is_a_failure_and_no_cancellation() -> None:
    """A job that ran into `job_timeout` was stopped, too, but nobody aborted it."""
    error = {"reason": "stopped", "message": "Job execution was cancelled: Job timed out"}
    assert phase_of(_job("DONE", error)) == Phase.FAILED


@given(st.none() | st.text(), ERRORS, st.lists(ERRORS.filter(bool)))
def test_nothing_that_bigquery_says_raises(
    state: str | None, error: dict[str, str] | None, errors: list[dict[str, str]]
) -> None:
    """Whatever the fields hold, there is a phase that Flyte knows, and one line at most."""
    job = _job(state, error, errors)
    assert phase_of(job) in TERMINAL_PHASES | {Phase.QUEUED, Phase.RUNNING}
    assert "\n" not in (message_of(job) or "")


def test_remarks_do_not_fail_a_running_job() -> None:
    """`errors` of a job that runs or has succeeded are remarks."""
    remarks = [{"reason": "invalid", "message": "Bad row"}]
    assert phase_of(_job("RUNNING", None, remarks)) == Phase.RUNNING
    assert phase_of(_job("DONE", None, remarks)) == Phase.SUCCEEDED
    assert message_of(_job("DONE", None, remarks)) == "warnings of BigQuery: Bad row (invalid)"


def _job(state: str | None, error: Any = None, errors: Any = ()) -> Any:
    return SimpleNamespace(state=state, error_result=error, errors=errors, job_id="j")
