"""How a job is now: by what the controller lists, and by the job's folder once it has ended."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import ConnectorError, JobNotFoundError

from flyte_connectors_batch_job.backends.indexes import together
from flyte_connectors_batch_job.backends.interface import JobState
from flyte_connectors_batch_job.backends.slurm import script, states, verdict
from flyte_connectors_batch_job.backends.slurm.memory import WHOLE
from flyte_connectors_batch_job.backends.slurm.order import name_of
from flyte_connectors_batch_job.backends.slurm.placing import place_again

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyte_connectors_batch_job.backends.slurm.channel import Record
    from flyte_connectors_batch_job.backends.slurm.cluster import Cluster
    from flyte_connectors_batch_job.backends.slurm.folder import JobFolder, Owner
    from flyte_connectors_batch_job.backends.slurm.question import Question
    from flyte_connectors_batch_job.backends.slurm.view import Seen

FILES_SECONDS = 30.0
"""For how long a network file system may show files late."""

_SAFE_SHARE = 0.8
"""Of the time that the controller remembers an ended job: in it, one that is not listed is lost."""

_WAITS_FOR_FILES = "has ended in Slurm; its files are awaited"
_RELEASED = "submitted"
_NOT_LISTED = "Slurm does not list the job: asking again"
_GONE = "Slurm no longer knows the job, which wrote no outcome: its node may have failed"
_NEVER_BEGAN = "Slurm no longer knows the job, which never began: it was lost, or cancelled in Slurm"
_PLACED_AGAIN = "submitted again: Slurm's controller had lost the job before it began"


class Asked(NamedTuple):
    """A question about a job."""

    question: Question
    cluster: Cluster
    job_id: str
    folder: JobFolder
    seen: Seen
    records: Sequence[Record]


def state_of(question: Question, job_id: str, size: int | None) -> JobState:
    """How a job is.

    Args:
        question: The questions to Slurm for it, and for the jobs polled with it.
        job_id: The job.
        size: Number of indexes, if it is an array.

    Raises:
        JobNotFoundError: its folder is gone.
        ServiceUnavailableError: Slurm, or the folder, can't be asked now.
    """
    cluster = question.cluster
    known = cluster.memory.end_of(job_id, WHOLE)
    if known is not None:
        return known
    folder, seen = cluster.folder(job_id), question.seen
    records = _of_owner(folder, seen.jobs.get(name_of(job_id), ()))
    asked = Asked(question, cluster, job_id, folder, seen, records)
    if all(record.state in states.ENDED for record in records):
        written = folder.verdict()
        if written is not None:
            return verdict.from_json(written)
    if not records:
        return _not_listed(asked, size)
    cluster.memory.found(job_id)
    return _listed(asked, size) or (_array(asked, size) if size is not None else _one(asked))


def _listed(asked: Asked, size: int | None) -> JobState | None:
    """How a job is that waits for its release; None for others."""
    if any(map(states.held_by_slurm, asked.records)):
        return _never(asked)
    if not all(map(states.may_be_released, asked.records)):
        return None
    if asked.cluster.memory.was_released_after(asked.job_id, asked.seen.at):
        return JobState(Phase.QUEUED, _RELEASED)
    return _held(asked, size)


def _held(asked: Asked, size: int | None) -> JobState | None:
    """Of a job that was released, and is held: a controller that was killed has lost that.

    It may have run meanwhile; then its script only repeats its exit code.
    """
    folder, indexes = asked.folder, range(size or 1)
    owner = folder.owner()
    if owner is None or folder.released(owner) is None:
        return None
    if all(folder.outcome(index) for index in indexes):
        ends = [verdict.judged(folder, _spec(asked), index, None) for index in indexes]
        _cancel(asked)
        return _settled(asked, _ended([end for end in ends if end], size))
    is_sure, _ = asked.cluster.memory.missing((asked.job_id, _RELEASED), asked.seen.number)
    if is_sure and folder.may_release_again(owner):
        asked.cluster.channel.release(owner.job_id)
        asked.cluster.memory.note_release(asked.job_id)
        asked.cluster.memory.found((asked.job_id, _RELEASED))
        return JobState(Phase.QUEUED, _RELEASED)
    return None


def _one(asked: Asked) -> JobState:
    record = asked.records[0]
    if record.state not in states.ENDED:
        state = states.under_way(record)
        return (state.phase == Phase.RUNNING and _missed_end(asked)) or state
    return _settled(asked, _index(asked, _spec(asked), 0, record))


def _of_owner(folder: JobFolder, records: Sequence[Record]) -> Sequence[Record]:
    """The records of the chosen job; another of its name is being cancelled."""
    if len({record.job_id for record in records}) <= 1:
        return records
    owner = folder.owner()
    return [record for record in records if owner is None or record.job_id == owner.job_id]


def _missed_end(asked: Asked) -> JobState | None:
    """How a job has ended that Slurm lists as running: a restarted controller takes minutes to notice."""
    cluster = asked.cluster
    if not cluster.memory.is_time_to_look(asked.job_id, cluster.files.look_seconds):
        return None
    if asked.folder.outcome(0) is None:
        return None
    state = verdict.judged(asked.folder, _spec(asked), 0, None)
    return state and _settled(asked, state)


def _array(asked: Asked, size: int) -> JobState:
    by_index = {record.index: record for record in asked.records}
    spec: Mapping[str, Any] = {}
    found: list[JobState] = []
    for index in range(size):
        record = by_index.get(index)
        if record and record.state not in states.ENDED:
            found.append(states.under_way(record))
            continue
        known = asked.cluster.memory.end_of(asked.job_id, index)
        if known is None:
            spec = spec or _spec(asked)
            known = _index(asked, spec, index, record)
            if known.phase in TERMINAL_PHASES:
                asked.cluster.memory.keep_end(asked.job_id, index, known)
        found.append(known)
    return _settled(asked, together(found))


def _index(asked: Asked, spec: Mapping[str, Any], index: int, record: Record | None) -> JobState:
    """How an index is that has ended, or is not listed beside others."""
    state = verdict.judged(asked.folder, spec, index, record)
    is_late = record is not None and record.state not in ("COMPLETED", "FAILED")
    if state and (is_late or asked.folder.outcome(index) or _never_began(record)):
        return state
    what = asked.job_id, index
    _, seconds = asked.cluster.memory.missing(what, asked.seen.number)
    if seconds < FILES_SECONDS:
        return JobState(Phase.RUNNING, _WAITS_FOR_FILES)
    return state or JobState(Phase.RETRYABLE_FAILED, "Slurm no longer knows how the job ended, and it wrote no outcome")


def _never_began(record: Record | None) -> bool:
    return record is not None and record.exit_code in (script.NO_FOLDER, script.NOT_OWNER)


def _not_listed(asked: Asked, size: int | None) -> JobState:
    """How a job is that the controller does not list: new, forgotten, or lost."""
    folder, spec, indexes = asked.folder, _spec(asked), range(size or 1)
    if all(folder.outcome(index) for index in indexes):
        ends = [verdict.judged(folder, spec, index, None) for index in indexes]
        return _settled(asked, _ended([end for end in ends if end], size))
    has_begun = any(folder.begun(index) for index in indexes)
    is_sure, seconds = asked.cluster.memory.missing(asked.job_id, asked.seen.number)
    if not is_sure or (has_begun and seconds < FILES_SECONDS and not folder.is_cancelled()):
        return JobState(Phase.RUNNING if has_begun else Phase.QUEUED, _NOT_LISTED)
    owner = folder.owner()
    accounted = _accounted(asked, owner.job_id) if owner else {}
    known = [verdict.judged(folder, spec, index, accounted.get(index)) for index in indexes]
    if all(known):
        return _settled(asked, _ended([end for end in known if end], size))
    if not has_begun and owner and _place_again(asked, owner):
        return JobState(Phase.QUEUED, _PLACED_AGAIN)
    return _settled(asked, JobState(Phase.RETRYABLE_FAILED, _GONE if has_begun else _NEVER_BEGAN))


def _place_again(asked: Asked, owner: Owner) -> bool:
    """Submit a job again that was released so recently that the controller can only have lost it."""
    released = asked.folder.released(owner)
    recently = asked.cluster.channel.kept_seconds() * _SAFE_SHARE
    if released is None or time.time() - released > recently:
        return False
    if place_again(asked.cluster, asked.job_id, owner) is None:
        return False
    asked.cluster.memory.found(asked.job_id)
    return True


def _accounted(asked: Asked, job_id: int) -> dict[int, Record]:
    """What accounting says of the ends of the job's indexes."""
    name = name_of(asked.job_id)
    return {
        record.index or 0: record
        for record in asked.question.accounted(job_id)
        if record.name == name and record.state in states.ENDED
    }


def _never(asked: Asked) -> JobState:
    """Of a job that Slurm holds because it can't ever start."""
    settled = _settled(
        asked,
        JobState(
            Phase.FAILED,
            "no node has the cpu, memory, gpu or nodes that the job asks for (BadConstraints)",
        ),
    )
    _cancel(asked)
    return settled


def _cancel(asked: Asked) -> None:
    """Take a job out of the queue whose script would not begin: there is a verdict."""
    with contextlib.suppress(ConnectorError):
        ids = {record.job_id for record in asked.records}
        asked.cluster.channel.cancel(name_of(asked.job_id), ids)


def _spec(asked: Asked) -> dict[str, Any]:
    spec = asked.folder.spec()
    if spec is None:
        message = f"the folder of batch job '{asked.job_id}' is gone from {asked.cluster.settings.folder}"
        raise JobNotFoundError(message)
    return spec


def _settled(asked: Asked, state: JobState) -> JobState:
    """The state, written down if it is final."""
    if state.phase in TERMINAL_PHASES:
        asked.folder.judge(verdict.to_json(state))
        asked.cluster.memory.keep_end(asked.job_id, WHOLE, state)
        asked.cluster.memory.found(asked.job_id)
    return state


def _ended(found: Sequence[JobState], size: int | None) -> JobState:
    """The state of a job by those of its indexes; one that is not an array has its own."""
    return found[0] if size is None else together(found)
