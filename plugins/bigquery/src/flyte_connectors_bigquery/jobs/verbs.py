"""The verbs that all kinds of jobs share: get, delete, logs, metrics.

Nothing of Google's is imported before the first call; the verbs are plain functions, which the core
runs in threads, because the vendor's client blocks.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from flyte_connectors import hookimpl
from flyte_connectors.authoring import metrics_response
from flyte_connectors.connector import AsyncConnector, Phase, Resource, ResourceMeta
from flyte_connectors.errors import ConflictError
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
from flyteidl2.core.execution_pb2 import TaskLog

from flyte_connectors_bigquery.jobs import fields, log, progress
from flyte_connectors_bigquery.jobs.states import message_of, phase_of
from flyte_connectors_bigquery.settings import BigQuerySettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from google.protobuf.struct_pb2 import Value

    from flyte_connectors_bigquery.client import AnyJob, BigQuery
    from flyte_connectors_bigquery.jobs.request import JobRequest
    from flyte_connectors_bigquery.jobs.settings import Kind


class OutputError(Exception):
    """A job gave something else than its task declares; the text is one line."""


@dataclass
class BigQueryMetadata(ResourceMeta):
    """Identifies a job.

    Attributes:
        job_id: Its id, unique in project and location.
        project: The project that runs it.
        location: Its region.
        outputs: Kind of each declared output, see `outputs`; None in the metas of the official
            connector, whose only output is `results`.
        impersonate: Address of the service account that it was started as.
        reader_secret: Name of the secret that it was started with.
        check: What its result has to be; see `results.checks`.
    """

    job_id: str
    project: str
    location: str | None = None
    outputs: dict[str, str] | None = None
    impersonate: str | None = None
    reader_secret: str | None = None
    check: Any = False


class JobConnector(AsyncConnector[BigQueryMetadata]):
    """What the connectors of queries, loads, extracts and copies have in common.

    Attributes:
        kind: Of its jobs.
        metrics: Names of the metrics that they have.
    """

    metadata_type = BigQueryMetadata
    kind: ClassVar[Kind]
    metrics: ClassVar[tuple[str, ...]]

    @hookimpl
    def warm_up(self) -> None:
        """Import the vendor's client, which takes as long as dozens of calls."""
        from flyte_connectors_bigquery.access import connections  # noqa: F401

    def outputs_of(self, bigquery: BigQuery, job: AnyJob, meta: BigQueryMetadata) -> dict[str, Any]:
        """The outputs of a job that has succeeded.

        Raises:
            OutputError: it has no such outputs.
        """
        raise NotImplementedError

    def facts_of(self, bigquery: BigQuery, job: AnyJob) -> dict[str, Any]:
        """Details about a finished job besides its outputs; None where one is unknown."""
        raise NotImplementedError

    def metrics_of(self, bigquery: BigQuery, job: AnyJob) -> dict[str, Any]:
        """The values of `metrics`, None where one is not known by now."""
        raise NotImplementedError

    def start(
        self, bigquery: BigQuery, request: JobRequest, key: str | None, outputs: dict[str, str]
    ) -> BigQueryMetadata:
        """Start the job `key`, or find it started; without a key it gets a new id.

        Raises:
            ConnectorError: BigQuery does not accept it; see `vendor_errors`.
        """
        job_id = key or new_job_id()
        with request.opened() as content:
            job = bigquery.start(request, job_id, content)
        return BigQueryMetadata(
            job_id=job_id,
            project=request.project,
            location=job.location,
            outputs=outputs,
            impersonate=request.impersonate,
            reader_secret=request.reader_secret,
        )

    def get(
        self,
        resource_meta: BigQueryMetadata,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> Resource:
        """Report the job's state, and its outputs once it has succeeded.

        Raises:
            JobNotFoundError: BigQuery does not know the job.
            ConnectorError: anything else; see `vendor_errors`.
        """
        bigquery = _open(resource_meta, google_application_credentials)
        job = self._job(bigquery, resource_meta)
        phase = phase_of(job)
        links = [console_link(resource_meta.project, job.location, resource_meta.job_id)]
        resource = Resource(phase=phase, message=message_of(job), log_links=links)
        if job.state == "DONE":
            reason = job.error_result.get("reason") if job.error_result else None
            facts = {**self.facts_of(bigquery, job), "error_reason": reason}
            resource.custom_info = {name: fact for name, fact in facts.items() if fact is not None}
        else:
            resource.custom_info = progress.of_job(job)
        if phase == Phase.SUCCEEDED:
            try:
                resource.outputs = self.outputs_of(bigquery, job, resource_meta)
            except OutputError as error:
                resource.phase, resource.message = Phase.FAILED, str(error)
        return resource

    def delete(
        self,
        resource_meta: BigQueryMetadata,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> None:
        """Cancel the job; one that has ended stays as it is.

        Raises:
            JobNotFoundError: BigQuery does not know the job, which counts as cancelled.
            ConnectorError: anything else; see `vendor_errors`.
        """
        bigquery = _open(resource_meta, google_application_credentials)
        bigquery.cancel(resource_meta.project, resource_meta.location, resource_meta.job_id)

    def get_logs(
        self,
        resource_meta: BigQueryMetadata,
        token: str = "",
        lines: int = 0,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> Iterator[GetTaskLogsResponse]:
        """What the job has gone through since `token`, and the token to go on from; see `log`.

        Raises:
            InvalidRequestError: `token` is not one of this log.
            ConnectorError: anything else; see `vendor_errors`.
        """
        given = log.read_token(token)
        bigquery = _open(resource_meta, google_application_credentials)
        job = self._job(bigquery, resource_meta, fields.LOG)
        statements = bigquery.children(job) if job.num_child_jobs else []
        messages, next_token = log.page(job, statements, given, lines)
        responses = [GetTaskLogsResponse(body={"lines": messages})]
        if next_token:
            responses.append(GetTaskLogsResponse(header={"token": next_token}))
        return iter(responses)

    def get_metrics(
        self,
        resource_meta: BigQueryMetadata,
        queries: list[str] | None = None,
        google_application_credentials: str | None = None,
        **_: Any,
    ) -> GetTaskMetricsResponse:
        """Report those of `metrics` that BigQuery knows by now.

        Raises:
            InvalidRequestError: `queries` names another metric.
            ConnectorError: anything else; see `vendor_errors`.
        """
        metrics_response(dict.fromkeys(self.metrics), queries or ())  # refuses others before BigQuery is asked
        bigquery = _open(resource_meta, google_application_credentials)
        known = self.metrics_of(bigquery, self._job(bigquery, resource_meta))
        return metrics_response(known, queries or (), labels={"job": resource_meta.job_id})

    def _job(self, bigquery: BigQuery, meta: BigQueryMetadata, mask: str = fields.STATE) -> AnyJob:
        job = bigquery.job(meta.project, meta.location, meta.job_id, mask)
        if job.job_type != self.kind:
            name = f"{meta.project}:{meta.location}.{meta.job_id}"
            message = f"BigQuery job {name} is a {job.job_type} job, not a {self.kind} job"
            raise ConflictError(message)
        return job


def new_job_id() -> str:
    """For a create without an idempotency key: the official service sends none."""
    return f"flyte-{uuid.uuid4().hex}"


def with_defaults(task_template: TaskTemplate, credentials: str | None) -> TaskTemplate:
    """The task, with the project of the credentials and the connector's location where it names none.

    Raises:
        AuthenticationError: there are no credentials that could.
    """
    custom = task_template.custom.fields
    missing: dict[str, str | None] = {}
    if _is_missing(custom, "ProjectID"):
        from flyte_connectors_bigquery.access.credentials import default_project

        missing["ProjectID"] = default_project(credentials)
    if _is_missing(custom, "Location"):
        missing["Location"] = BigQuerySettings.read().location
    found = {name: value for name, value in missing.items() if value}
    if not found:
        return task_template
    filled = type(task_template)()
    filled.CopyFrom(task_template)
    filled.custom.update(found)
    return filled


def connect(project: str, service_account: str | None, impersonate: str | None) -> BigQuery:
    """BigQuery as these credentials see it; imports the vendor's client when first called."""
    from flyte_connectors_bigquery.access import connections
    from flyte_connectors_bigquery.access.credentials import Identity

    return connections.connect(Identity(project, service_account, impersonate))


def _is_missing(custom: Mapping[str, Value], name: str) -> bool:
    # Asking a map of messages for a key adds it.
    return name not in custom or custom[name].WhichOneof("kind") in {None, "null_value"}


def _open(meta: BigQueryMetadata, service_account: str | None) -> BigQuery:
    return connect(meta.project, service_account, meta.impersonate)


def console_link(project: str, location: str | None, job_id: str) -> TaskLog:
    """The page of a job."""
    return TaskLog(
        name="BigQuery Console",
        uri=(
            f"https://console.cloud.google.com/bigquery?project={quote(project, safe='')}"
            f"&j=bq:{location}:{quote(job_id, safe='')}&page=queryresults"
        ),
        ready=True,
        link_type=TaskLog.DASHBOARD,
    )
