"""The calls to BigQuery about jobs: all that the connectors need of the vendor's client.

Every call has a time limit for one request and one for all its attempts, and fails with an error of
`flyte_connectors.errors`.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from flyte_connectors.errors import ConflictError
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.cloud import bigquery

from flyte_connectors_bigquery.access.vendor_errors import is_transient, translated
from flyte_connectors_bigquery.jobs import fields
from flyte_connectors_bigquery.jobs.request import DIGEST_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyte_connectors_bigquery.jobs.request import Query

RECENT_JOBS = 1000


@dataclass(frozen=True)
class TimeLimit:
    """How long a call may take.

    Attributes:
        attempt: Seconds for the answer to one request.
        total: Seconds for all attempts together.
    """

    attempt: float
    total: float

    @functools.cached_property
    def retry(self) -> Retry:
        """The vendor's retry policy for this limit."""
        longest_pause = self.total / 10  # so that there are a dozen attempts
        return Retry(
            is_transient, initial=0.2, maximum=longest_pause, multiplier=2.0, timeout=self.total
        )

    @property
    def options(self) -> dict[str, Any]:
        """This limit as the arguments of a vendor call."""
        return {"retry": self.retry, "timeout": self.attempt}


SUBMITTING = TimeLimit(attempt=20.0, total=60.0)
"""For calls of `create`, which is never abandoned half way."""

ASKING = TimeLimit(attempt=4.0, total=6.0)
"""For all others: a last attempt ends within the 10 s that Flyte's back end waits."""


class BigQuery:
    """BigQuery as one identity sees it.

    Args:
        client: The vendor's client.
        submitting: Time limit for starting a job.
        asking: Time limit for everything else.
    """

    def __init__(
        self,
        client: bigquery.Client,
        submitting: TimeLimit = SUBMITTING,
        asking: TimeLimit = ASKING,
    ) -> None:
        self._client = client
        self._submitting = submitting
        self._asking = asking

    def has_started(self, query: Query, job_id: str) -> bool:
        """Whether there is a job `job_id` already, whatever it does."""
        with translated(f"BigQuery job {job_id} in project {query.project}"):
            return self._look_up(query, job_id) is not None

    def start(self, query: Query, job_id: str) -> bigquery.QueryJob:
        """Run `query` as the job `job_id`, or return that job if it has been started already.

        Raises:
            ConflictError: `job_id` belongs to another query.
            InvalidRequestError: BigQuery does not accept the query.
            ConnectorError: anything else; see `vendor_errors`.
        """
        configuration = {
            **query.configuration,
            "labels": {**query.configuration["labels"], DIGEST_LABEL: query.digest},
        }
        with translated(f"BigQuery project {query.project}", submitting=True):
            try:
                job = self._insert(query, configuration, job_id)
            except exceptions.Conflict:
                # Either this very job, started by a call whose answer was lost or by another
                # replica, or a table that the statement was to create.
                found = self._find(query, job_id)
                if found is None:
                    raise
                job = found
        if job.labels.get(DIGEST_LABEL) != query.digest:
            message = f"job id {job_id} in project {query.project} belongs to another query"
            raise ConflictError(message)
        return job

    def estimate(self, query: Query) -> bigquery.QueryJob:
        """A dry run of `query`: its schema, its tables and the bytes it would read.

        Raises:
            InvalidRequestError: BigQuery does not accept the query.
            ConnectorError: anything else; see `vendor_errors`.
        """
        with translated(f"BigQuery project {query.project}", submitting=True):
            return self._insert(query, {**query.configuration, "dryRun": True}, None)

    def job(
        self, project: str, location: str | None, job_id: str, mask: str = fields.STATE
    ) -> bigquery.QueryJob:
        """The job as it is now, as far as `mask` shows it; see `fields`.

        Raises:
            JobNotFoundError: BigQuery does not know it.
            ConnectorError: anything else; see `vendor_errors`.
        """
        with translated(f"BigQuery job {project}:{location}.{job_id}"):
            return self._get(project, location, job_id, mask)

    def cancel(self, project: str, location: str | None, job_id: str) -> None:
        """Ask BigQuery to cancel a job; one that has ended stays as it is.

        Raises:
            JobNotFoundError: BigQuery does not know it.
            ConnectorError: anything else; see `vendor_errors`.
        """
        with translated(f"BigQuery job {project}:{location}.{job_id}"):
            self._client.cancel_job(
                job_id, project=project, location=location, **self._asking.options
            )

    def first_rows(self, job: bigquery.QueryJob, count: int) -> Sequence[bigquery.Row]:
        """At most `count` rows of the result of a finished job."""
        with translated(f"result of BigQuery job {job.project}:{job.location}.{job.job_id}"):
            rows = job.result(max_results=count, job_retry=None, **self._asking.options)
            return list(rows)

    def row_count(self, job: bigquery.QueryJob) -> int:
        """Rows in the result of a finished job."""
        with translated(f"result of BigQuery job {job.project}:{job.location}.{job.job_id}"):
            rows = job.result(max_results=1, job_retry=None, **self._asking.options)
            return int(rows.total_rows or 0)

    def children(self, job: bigquery.QueryJob) -> list[bigquery.QueryJob]:
        """The jobs of a script's statements, in the order they ran."""
        with translated(f"statements of BigQuery job {job.project}:{job.location}.{job.job_id}"):
            children = self._client.list_jobs(
                project=job.project, parent_job=job.job_id, **self._asking.options
            )
            return sorted(children, key=lambda child: (child.created, child.job_id))

    def _insert(
        self, query: Query, configuration: dict[str, Any], job_id: str | None
    ) -> bigquery.QueryJob:
        return self._client.query(
            query.sql,
            job_config=_job_config(configuration),
            job_id=job_id,
            project=query.project,
            location=query.location,
            job_retry=None,
            **self._submitting.options,
        )

    def _get(
        self, project: str, location: str | None, job_id: str, mask: str = fields.STATE
    ) -> bigquery.QueryJob:
        # `Client.get_job` can't be told what to leave out.
        api_request: Any = self._client._connection.api_request  # noqa: SLF001
        request = functools.partial(
            api_request,
            method="GET",
            path=f"/projects/{quote(project, safe=':')}/jobs/{quote(job_id, safe='')}",
            query_params={"fields": mask} | ({"location": location} if location else {}),
            timeout=self._asking.attempt,
        )
        resource = self._asking.retry(request)()
        configuration = resource.get("configuration", {})
        if configuration.get("jobType") != "QUERY":
            kind = configuration.get("jobType", "job of an unknown type")
            message = f"BigQuery job {project}:{location}.{job_id} is a {kind}, not a query"
            raise ConflictError(message)
        return bigquery.QueryJob.from_api_repr(resource, self._client)

    def _find(self, query: Query, job_id: str) -> bigquery.QueryJob | None:
        """The job that an insert ran into, or None if it was no job.

        It may take a moment until BigQuery shows a job that it already refuses to start again
        (https://github.com/googleapis/python-bigquery/issues/2134).
        """
        for pause in (0.0, 0.2, 0.5, 1.0, 1.0):
            time.sleep(pause)
            job = self._look_up(query, job_id)
            if job is not None:
                return job
        return None

    def _look_up(self, query: Query, job_id: str) -> bigquery.QueryJob | None:
        try:
            return self._get(query.project, query.location, job_id)
        except exceptions.NotFound:
            return None if query.location else self._recent(query.project, job_id)

    def _recent(self, project: str, job_id: str) -> bigquery.QueryJob | None:
        """The job `job_id` in any region: without one BigQuery looks in the US and the EU only."""
        recent = self._client.list_jobs(
            project=project, max_results=RECENT_JOBS, **self._asking.options
        )
        return next((job for job in recent if job.job_id == job_id), None)


def _job_config(configuration: dict[str, Any]) -> bigquery.QueryJobConfig:
    """The vendor's object for a REST `JobConfiguration`."""
    return cast("bigquery.QueryJobConfig", bigquery.QueryJobConfig.from_api_repr(configuration))
