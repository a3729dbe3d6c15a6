"""What Slurm's states mean. Source: https://slurm.schedmd.com/job_state_codes.html and job_reason_codes.html."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flyte_connectors.connector import Phase

from flyte_connectors_batch_job.backends.interface import JobState

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.slurm.channel import Record

logger = logging.getLogger(__name__)

ENDED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "LAUNCH_FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "RECONFIG_FAIL",
        "REVOKED",
        "TIMEOUT",
    }
)
LOST_MACHINES = {
    "BOOT_FAIL": "its node did not start",
    "LAUNCH_FAILED": "its node could not start it",
    "NODE_FAIL": "its node failed",
    "PREEMPTED": "it was preempted by a job of higher priority",
    "RECONFIG_FAIL": "its node could not be reconfigured",
    "REVOKED": "its cluster gave it away",
}
"""States in which another try may well succeed."""

NEVER = frozenset({"BadConstraints"})
"""Reasons for which Slurm itself holds a job that can't start."""

_RUNNING = {
    "RUNNING": None,
    "COMPLETING": None,
    "STAGE_OUT": "copying files back",
    "SIGNALING": None,
    "RESIZING": None,
    "STOPPED": "stopped by the administrator",
    "SUSPENDED": "suspended by the administrator, or for a job of higher priority",
    "EXPEDITING": None,
}
_REQUEUED = {
    "REQUEUED": "requeued: it will start again",
    "REQUEUE_FED": "requeued on another cluster",
    "REQUEUE_HOLD": "requeued and held: an administrator has to release it",
    "RESV_DEL_HOLD": "held: its reservation was deleted",
    "SPECIAL_EXIT": "requeued and held after a special exit code: an administrator has to release it",
    "UPDATE_DB": None,
}
_HELD = {
    "JobHeldAdmin": "held by an administrator, who has to release it",
    "JobHeldUser": "held, until `scontrol release` or an administrator releases it",
    "launch failed requeued held": "held: its node could not start it; an administrator has to release it",
    "job requeued in held state": "requeued and held: an administrator has to release it",
}
_LOST_RELEASE = ("JobHeldUser", "launch failed requeued held")
_EXPLAINED = {
    "BeginTime": "starts again later: it was requeued",
    "PartitionConfig": "asks for more than its partition has",
    "PartitionNodeLimit": "asks for more nodes than its partition allows, or these are down",
    "PartitionTimeLimit": "asks for more time than its partition allows",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is inactive",
    "BadConstraints": "no node has what it asks for",
    "Resources": "waits for resources",
    "Priority": "jobs of higher priority come first",
    "None": "not looked at yet",
    "NodeDown": "a node that it needs is down",
}
_RESOURCES = (
    "Resources",
    "ReqNodeNotAvail",
    "Nodes required",
    "NodeDown",
    "Partition",
    "BadConstraints",
)


def under_way(record: Record) -> JobState:
    """The state of a job that has not ended."""
    state, reason = record.state, _reason(record)
    if state == "PENDING":
        return _pending(reason)
    if state == "CONFIGURING":
        return JobState(Phase.INITIALIZING, f"its nodes are being prepared: {record.nodes}")
    if state in _RUNNING:
        return JobState(Phase.RUNNING, _RUNNING[state])
    if state in _REQUEUED:
        return JobState(Phase.QUEUED, _REQUEUED[state])
    logger.warning("Slurm reports the unknown state %s of job %d", state, record.job_id)
    return JobState(Phase.RUNNING, f"in Slurm's state {state}")


def held_by_slurm(record: Record) -> bool:
    """Whether a job was released, and Slurm has found that it can never start."""
    return record.state == "PENDING" and _reason(record) in NEVER


def is_held(record: Record) -> bool:
    """Whether a job waits for its release."""
    return record.state == "PENDING" and _reason(record) in _HELD


def may_be_released(record: Record) -> bool:
    """Whether a job is held as a restarted controller holds one whose release it has lost."""
    return record.state == "PENDING" and _reason(record) in _LOST_RELEASE


def _pending(reason: str) -> JobState:
    if reason in _HELD:
        return JobState(Phase.QUEUED, f"{_HELD[reason]} ({reason})")
    known = _EXPLAINED.get(reason)
    message = f"{known} ({reason})" if known else f"waits: {reason}"
    needs = reason.startswith(_RESOURCES)
    return JobState(Phase.WAITING_FOR_RESOURCES if needs else Phase.QUEUED, message)


def _reason(record: Record) -> str:
    return record.reason.strip().strip("()") or "None"
