"""The state of an array as one, by the states of its indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_connectors.connector import TERMINAL_PHASES, Phase

from flyte_connectors_batch_job.backends.interface import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence


def together(found: Sequence[JobState]) -> JobState:
    """The state of an array, by those of its indexes, in their order.

    It ends when all of them have, and fails as the first that failed.
    """
    by_phase: dict[Phase, list[int]] = {}
    for index, state in enumerate(found):
        by_phase.setdefault(state.phase, []).append(index)
    details = {"indexes": {phase.name: ranges(indexes) for phase, indexes in by_phase.items()}}
    ended = sum(len(by_phase.get(phase, ())) for phase in map(Phase, TERMINAL_PHASES))
    if ended < len(found):
        if ended or Phase.RUNNING in by_phase:
            message = f"{ended} of {len(found)} indexes have ended"
            return JobState(Phase.RUNNING, message, details=details)
        return found[0]._replace(details=details)
    for phase in (Phase.FAILED, Phase.RETRYABLE_FAILED, Phase.ABORTED):
        if phase in by_phase:
            first = by_phase[phase][0]
            several = f" (and {len(by_phase[phase]) - 1} more)" if len(by_phase[phase]) > 1 else ""
            message = f"index {first}{several}: {found[first].message or 'cancelled'}"
            return JobState(phase, message, details=details)
    names = found[0].outputs or {}
    outputs = {name: [(state.outputs or {}).get(name) for state in found] for name in names}
    return JobState(Phase.SUCCEEDED, outputs=outputs, details=details)


def ranges(indexes: Sequence[int]) -> str:
    """Ascending numbers as Slurm writes them, such as `0-3,7`."""
    parts: list[list[int]] = []
    for index in indexes:
        if parts and index == parts[-1][-1] + 1:
            parts[-1][1:] = [index]
        else:
            parts.append([index])
    return ",".join("-".join(map(str, part)) for part in parts)
