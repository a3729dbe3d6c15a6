"""Maps the states that services report to Flyte's phases."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from flyte_connectors.connector import Phase

logger = logging.getLogger(__name__)

COMMON_STATES: Mapping[str, Phase] = {
    state: phase
    for phase, states in {
        Phase.QUEUED: "queued pending submitted created accepted new",
        Phase.WAITING_FOR_RESOURCES: "waiting blocked scheduling scheduled",
        Phase.INITIALIZING: "initializing starting loading preparing provisioning",
        Phase.RUNNING: "running training in_progress active stopping cancelling",
        Phase.SUCCEEDED: "finished succeeded success completed complete done",
        Phase.FAILED: "failed failure error errored",
        Phase.RETRYABLE_FAILED: "preempted evicted lost node_failed",
        Phase.ABORTED: "cancelled canceled stopped aborted deleted killed terminated",
    }.items()
    for state in states.split()
}
"""Phase for each state that services commonly report, in lower case with underscores."""


def phase_of(state: str, own: Mapping[str, Phase] | None = None, *, job: str = "") -> Phase:
    """The phase for a state of a job.

    An unknown state counts as RUNNING, with a warning: a service may add states, and a healthy job must not
    fail because of one.

    Args:
        state: As the service reports it.
        own: Phases for states of this service, spelled as it spells them; they win over
            `COMMON_STATES`.
        job: Name of the job for the warning.
    """
    phase = (own or {}).get(state)
    if phase is None:
        phase = COMMON_STATES.get(state.lower().replace("-", "_").replace(" ", "_"))
    if phase is None:
        logger.warning("unknown state %r of job %s, taken as RUNNING", state[:100], job or "?")
        return Phase.RUNNING
    return phase
