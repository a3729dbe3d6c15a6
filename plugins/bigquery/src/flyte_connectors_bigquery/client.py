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

from flyte_connectors_bigquery.access import uploads
from flyte_connectors_bigquery.access.vendor_errors import is_transient, translated
from flyte_connectors_bigquery.jobs import fields
from flyte_connectors_bigquery.jobs.request import DIGEST_LABEL, JobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO, TypeAlias

    from google.cloud.bigquery.job import UnknownJob

    from flyte_connectors_bigquery.jobs.request import Query

    AnyJob: TypeAlias = bigquery.QueryJob | bigquery.LoadJob | bigquery.ExtractJob | bigquery.CopyJob | UnknownJob

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
        return Retry(is_transient, initial=0.2, maximum=longest_pause, multiplier=2.0, timeout=self.total)

    @property
    def options(self) -> dict[str, Any]:
        """This limit as the arguments of a vendor call."""
        return {"retry": self.retry, "timeout": self.attempt}


SUBMITTING = TimeLimit(attempt=20.0, total=60.0)
"""For calls of `create`, which always runs to completion."""

ASKING = TimeLimit(attempt=4.0, total=6.0)
"""For all others: a last attempt ends within the 10 s that Flyte's back end waits."""


class BigQuery:
    """BigQuery as one identity sees it.

    Args:
        client: The vendor's client.
        submitting: Time limit for starting a job.
        asking: Time limit for all other calls.
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

    def has_started(self, request: JobRequest, job_id: str) -> bool:
        """Whether there is a job `job_id` already, whatever it does."""
        with translated(f"BigQuery job {job_id} in project {request.project}"):
            return self._look_up(request, job_id) is not None

    def start(self, request: JobRequest, job_id: str, content: IO[bytes] | None = None) -> AnyJob:
        """Run the job `job_id`, or return it if it has been started already.

        Args:
            request: The job.
            job_id: Its id.
            content: What a load job loads, unless that names files.

        Raises:
            ConflictError: `job_id` belongs to another job.
            InvalidRequestError: BigQuery does not accept the job.
            ConnectorError: anything else; see `vendor_errors`.
        """
        body = request.body
        body["labels"] = {**body["labels"], DIGEST_LABEL: request.digest}
        with translated(f"BigQuery project {request.project}", submitting=True):
            try:
                job = self._insert(request, body, job_id, content)
            except exceptions.Conflict:
                # Either this very job, started by a call whose answer was lost or by another
                # replica, or a table that the statement was to create.
                found = self._find(request, job_id)
                if found is None:
                    raise
                job = found
        if job.labels.get(DIGEST_LABEL) != request.digest:
            message = f"job id {job_id} in project {request.project} belongs to another request"
            raise ConflictError(message)
        return job

    def estimate(self, query: Query) -> bigquery.QueryJob:
        """A dry run of `query`: its schema, its tables and the bytes it would read.

        Raises:
            InvalidRequestError: BigQuery does not accept the query.
            ConnectorError: anything else; see `vendor_errors`.
        """
        with translated(f"BigQuery project {query.project}", submitting=True):
            job = self._insert(query, {**query.body, "dryRun": True}, None)
            return cast("bigquery.QueryJob", job)

    def job(self, project: str, location: str | None, job_id: str, mask: str = fields.STATE) -> AnyJob:
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
            self._client.cancel_job(job_id, project=project, location=location, **self._asking.options)

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

    def schema_of_result(self, job: bigquery.QueryJob) -> list[bigquery.SchemaField]:
        """The columns of the result of a finished job."""
        with translated(f"result of BigQuery job {job.project}:{job.location}.{job.job_id}"):
            rows = job.result(max_results=1, job_retry=None, **self._asking.options)
            return list(rows.schema)

    def table_size(self, table: Mapping[str, str]) -> int | None:
        """Rows of a table, with those that are still streaming in; None if it does not exist.

        Args:
            table: REST `TableReference`.
        """
        project, dataset, name = (quote(table[part], safe=":") for part in ("projectId", "datasetId", "tableId"))
        with translated(f"BigQuery table {project}.{dataset}.{name}"):
            try:
                found = self._call(
                    self._asking,
                    method="GET",
                    path=f"/projects/{project}/datasets/{dataset}/tables/{name}",
                    query_params={"fields": fields.SIZE},
                )
            except exceptions.NotFound:
                return None
        streaming = found.get("streamingBuffer", {}).get("estimatedRows", 0)
        return int(found.get("numRows", 0)) + int(streaming)

    def job_if_any(self, project: str, location: str | None, job_id: str) -> AnyJob | None:
        """The job as it is now, or None."""
        with translated(f"BigQuery job {project}:{location}.{job_id}"):
            try:
                return self._get(project, location, job_id)
            except exceptions.NotFound:
                return None

    def query_of(self, project: str, location: str | None, job_id: str) -> JobRequest:
        """A request for the same query as that of a job.

        Raises:
            JobNotFoundError: BigQuery does not know the job.
            ConnectorError: anything else; see `vendor_errors`.
        """
        with translated(f"BigQuery job {project}:{location}.{job_id}"):
            job = self._get(project, location, job_id, fields.CONFIGURATION)
        configuration = dict(job.configuration.to_api_repr())
        query = dict(configuration.pop("query"))
        for name in ("destinationTable", "createDisposition", "writeDisposition"):
            query.pop(name, None)  # of the anonymous table with its result
        configuration.pop("jobType", None)
        return JobRequest("query", project, location, {**configuration, "query": query}, None, None)

    def children(self, job: AnyJob) -> list[bigquery.QueryJob]:
        """The jobs of a script's statements, in the order they ran."""
        with translated(f"statements of BigQuery job {job.project}:{job.location}.{job.job_id}"):
            children = self._client.list_jobs(project=job.project, parent_job=job.job_id, **self._asking.options)
            return sorted(children, key=lambda child: (child.created, child.job_id))

    def _insert(
        self,
        request: JobRequest,
        configuration: dict[str, Any],
        job_id: str | None,
        content: IO[bytes] | None = None,
    ) -> AnyJob:
        reference = {"projectId": request.project, "jobId": job_id, "location": request.location}
        resource = {
            "jobReference": {key: value for key, value in reference.items() if value is not None},
            "configuration": configuration,
        }
        path = f"/projects/{quote(request.project, safe=':')}/jobs"
        if content is not None:
            send = functools.partial(uploads.upload, self._client, resource, content)
            uploaded = self._submitting.retry(send)(timeout=self._submitting.attempt)
            return self._client.job_from_resource(uploaded)
        answer = self._call(self._submitting, method="POST", path=path, data=resource)
        return self._client.job_from_resource(answer)

    def _get(self, project: str, location: str | None, job_id: str, mask: str = fields.STATE) -> AnyJob:
        resource = self._call(
            self._asking,
            method="GET",
            path=f"/projects/{quote(project, safe=':')}/jobs/{quote(job_id, safe='')}",
            query_params={"fields": mask} | ({"location": location} if location else {}),
        )
        return self._client.job_from_resource(resource)

    def _call(self, limit: TimeLimit, **request: Any) -> dict[str, Any]:
        """One call of the REST API: the vendor's methods have no parameter for what to leave out."""
        api_request: Any = self._client._connection.api_request  # noqa: SLF001
        answer: dict[str, Any] = limit.retry(functools.partial(api_request, timeout=limit.attempt, **request))()
        return answer

    def _find(self, request: JobRequest, job_id: str) -> AnyJob | None:
        """The job that an insert ran into, or None if it was no job.

        It may take a moment until BigQuery shows a job that it already refuses to start again
        (https://github.com/googleapis/python-bigquery/issues/2134).
        """
        for pause in (0.0, 0.2, 0.5, 1.0, 1.0):
            time.sleep(pause)
            job = self._look_up(request, job_id)
            if job is not None:
                return job
        return None

    def _look_up(self, request: JobRequest, job_id: str) -> AnyJob | None:
        try:
            return self._get(request.project, request.location, job_id)
        except exceptions.NotFound:
            return None if request.location else self._recent(request.project, job_id)

    def _recent(self, project: str, job_id: str) -> AnyJob | None:
        """The job `job_id` in any region: without one BigQuery looks in the US and the EU only."""
        recent = self._client.list_jobs(project=project, max_results=RECENT_JOBS, **self._asking.options)
        return next((job for job in recent if job.job_id == job_id), None)
