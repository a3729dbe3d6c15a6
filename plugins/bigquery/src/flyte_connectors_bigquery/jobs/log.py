"""The log of a query job, in pages that stay valid while it grows.

Lines come from four sources that BigQuery only ever adds to: the job's own steps, the stages of its
plan, the samples of its timeline, and the statements of a script. A page's token counts the lines
given from each, so it stays valid whatever is added, to any source.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, NamedTuple

from flyte_connectors.errors import InvalidRequestError
from flyteidl2.logs.dataplane.payload_pb2 import LogLine, LogLineOriginator

from flyte_connectors_bigquery.jobs.states import message_of, phase_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.cloud.bigquery import QueryJob

    from flyte_connectors_bigquery.client import AnyJob

SOURCES = 4
PAGE = 1000
_TOKEN = re.compile(r"\d{1,9}(\.\d{1,9}){3}")


class Line(NamedTuple):
    """One line before it is a message; sorts by time."""

    time: datetime.datetime
    source: int
    text: str

    def message(self) -> LogLine:
        """The line as Flyte sends it."""
        line = LogLine(message=self.text, originator=LogLineOriginator.SYSTEM)
        line.timestamp.FromDatetime(self.time)
        return line


def read_token(token: str) -> list[int]:
    """How many lines of each source came before the page that `token` names.

    Raises:
        InvalidRequestError: it is not a token of this module.
    """
    if not token:
        return [0] * SOURCES
    if not _TOKEN.fullmatch(token):
        message = f"{token[:100]!r} is not a token of this log: pass what the last page ended with"
        raise InvalidRequestError(message, field="token")
    return [int(count) for count in token.split(".")]


def page(job: AnyJob, statements: Sequence[QueryJob], given: Sequence[int], size: int) -> tuple[list[LogLine], str]:
    """The next lines, and the token of the page after them; empty at the end of the log.

    Args:
        job: The job as it is now.
        statements: Its child jobs, if it is a script.
        given: What `read_token` made of the last token.
        size: Lines on a page; 0 for `PAGE`.
    """
    sources = [_steps(job), _stages(job), _samples(job), _statements(statements)]
    fresh = sorted(
        line
        for number, lines in enumerate(sources)
        for line in sorted(Line(time, number, text) for time, text in lines)[given[number] :]
    )
    shown = fresh[: size or PAGE]
    if len(shown) == len(fresh) and job.state == "DONE":
        return [line.message() for line in shown], ""
    counts = list(given)
    for line in shown:
        counts[line.source] += 1
    return [line.message() for line in shown], ".".join(map(str, counts))


def _steps(job: AnyJob) -> Iterator[tuple[datetime.datetime, str]]:
    if job.created:
        yield job.created, f"job {job.job_id} submitted to {job.location} by {job.user_email}"
    if job.started:
        yield job.started, "started"
    if job.ended and job.state == "DONE":
        yield job.ended, ": ".join(filter(None, (f"ended {phase_of(job).name}", message_of(job))))


def _stages(job: AnyJob) -> Iterator[tuple[datetime.datetime, str]]:
    for stage in getattr(job, "query_plan", ()):
        if stage.end is not None:
            read, written = stage.records_read or 0, stage.records_written or 0
            yield stage.end, f"stage {stage.name} complete: {read} records read, {written} written"


def _samples(job: AnyJob) -> Iterator[tuple[datetime.datetime, str]]:
    for sample in getattr(job, "timeline", ()):
        if job.started and sample.elapsed_ms is not None:
            time = job.started + datetime.timedelta(milliseconds=sample.elapsed_ms)
            units = (
                f"{sample.completed_units or 0} units done, {sample.active_units or 0} active, "
                f"{sample.pending_units or 0} pending"
            )
            yield time, f"{units}; {sample.slot_millis or 0} slot ms"


def _statements(statements: Sequence[QueryJob]) -> Iterator[tuple[datetime.datetime, str]]:
    for statement in statements:
        if statement.ended and statement.state == "DONE":
            rows = statement.num_dml_affected_rows
            affected = f", {rows} rows affected" if rows is not None else ""
            text = f"{statement.statement_type} {phase_of(statement).name}{affected}"
            yield statement.ended, f"statement {statement.job_id}: {text}"
