"""The queries of one wait: `key`, `key-1`, `key-2`, ..., each begun once the one before has said no.

No replica keeps account of them: the last one is found by its id, and beginning the next is idempotent, so
that two replicas begin one. What a replica remembers only spares it the search.

Whether the next is due follows from differences within one clock each: how long the wait has lasted by this
service's, and how long after the first the last was created by BigQuery's.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from flyte_connectors.connector import Phase

from flyte_connectors_bigquery.jobs.states import message_of, phase_of
from flyte_connectors_bigquery.results import checks

if TYPE_CHECKING:
    from flyte_connectors_bigquery.client import BigQuery
    from flyte_connectors_bigquery.sensors.metadata import SensorMetadata

_NOT_THERE_YET = "notFound"
_REMEMBERED = 10_000

_last: OrderedDict[tuple[str, str], int] = OrderedDict()


def look(bigquery: BigQuery, meta: SensorMetadata) -> tuple[Any, Phase, str]:
    """The last query, a phase and a message: SUCCEEDED if it says yes, RUNNING if it says no.

    Begins the next if that is due.
    """
    number = last(bigquery, meta)
    job = bigquery.job(meta.project, meta.location, job_id(meta, number))
    while True:
        phase, said = _answer(bigquery, job)
        says_no = job.state == "DONE" and phase == Phase.RUNNING
        if not says_no or not _is_due(meta, job):
            return job, phase, said
        number += 1
        following = bigquery.job_if_any(meta.project, meta.location, job_id(meta, number))
        _remember(meta, number)
        if following is None:
            again = bigquery.query_of(meta.project, meta.location, meta.job_id)
            job = bigquery.start(again, job_id(meta, number))
            # At most one in a call, whatever a clock that is put forward says.
            return job, *_answer(bigquery, job)
        job = following


def last(bigquery: BigQuery, meta: SensorMetadata) -> int:
    """The number of the last query."""
    known = _last.get((meta.project, meta.job_id))
    if known is not None:
        return known
    if time.time() - meta.started < meta.poll_seconds:
        return 0

    def exists(number: int) -> bool:
        found = bigquery.job_if_any(meta.project, meta.location, job_id(meta, number))
        return found is not None

    low, step = 0, 1
    while exists(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if exists(middle) else (low, middle)
    _remember(meta, low)
    return low


def job_id(meta: SensorMetadata, number: int) -> str:
    """The id of the query of this number, from 0."""
    return f"{meta.job_id}-{number}" if number else meta.job_id


def _answer(bigquery: BigQuery, job: Any) -> tuple[Phase, str]:
    phase, said = phase_of(job), message_of(job) or ""
    reason = (job.error_result or {}).get("reason")
    if phase == Phase.SUCCEEDED:
        said = checks.untrue(bigquery, job)
        return (Phase.RUNNING if said else phase), said
    if phase == Phase.RETRYABLE_FAILED or reason == _NOT_THERE_YET:
        return Phase.RUNNING, said
    return phase, said


def _is_due(meta: SensorMetadata, job: Any) -> bool:
    created = job.created.timestamp() if job.created else meta.first_created
    begun = created - meta.first_created
    return time.time() - meta.started - begun >= meta.poll_seconds


def _remember(meta: SensorMetadata, number: int) -> None:
    _last[meta.project, meta.job_id] = number
    _last.move_to_end((meta.project, meta.job_id))
    if len(_last) > _REMEMBERED:
        _last.popitem(last=False)
