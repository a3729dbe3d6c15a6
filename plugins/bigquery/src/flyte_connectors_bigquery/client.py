"""The calls to BigQuery: the only file that uses the vendor's client.

Every call has a time limit for one request and one for all its attempts, and ends in an error of
`flyte_connectors.errors`. `connect` keeps one vendor client per identity, found again by a
fingerprint of the credentials.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import requests.adapters
from flyte_connectors.errors import ConflictError
from google.api_core import exceptions
from google.api_core.client_info import ClientInfo
from google.api_core.retry import Retry
from google.cloud import bigquery

from flyte_connectors_bigquery.credentials import EMULATOR_VARIABLE
from flyte_connectors_bigquery.request import DIGEST_LABEL
from flyte_connectors_bigquery.vendor_errors import is_transient, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyte_connectors_bigquery.credentials import Identity
    from flyte_connectors_bigquery.request import Query

USER_AGENT = "flyte-connectors-bigquery"
RECENT_JOBS = 1000
_MAX_CLIENTS = 64
_MAX_CONNECTIONS = 32


@dataclass(frozen=True)
class TimeLimit:
    """How long a call may take.

    Attributes:
        attempt: Seconds for the answer to one request.
        total: Seconds for all attempts together.
    """

    attempt: float
    total: float

    def retry(self, predicate: Any = is_transient) -> Retry:
        """The vendor's retry policy for this limit."""
        return Retry(predicate, initial=0.2, maximum=4.0, multiplier=2.0, timeout=self.total)

    @property
    def options(self) -> dict[str, Any]:
        """This limit as the arguments of a vendor call."""
        return {"retry": self.retry(), "timeout": self.attempt}


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

    def job(self, project: str, location: str | None, job_id: str) -> bigquery.QueryJob:
        """The job as it is now.

        Raises:
            JobNotFoundError: BigQuery does not know it.
            ConnectorError: anything else; see `vendor_errors`.
        """
        with translated(f"BigQuery job {project}:{location}.{job_id}"):
            return self._get(project, location, job_id)

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

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

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

    def _get(self, project: str, location: str | None, job_id: str) -> bigquery.QueryJob:
        job = self._client.get_job(
            job_id, project=project, location=location, **self._asking.options
        )
        if not isinstance(job, bigquery.QueryJob):
            message = f"BigQuery job {project}:{location}.{job_id} is a {job.job_type}, not a query"
            raise ConflictError(message)
        return job

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


_clients: OrderedDict[tuple[str, ...], bigquery.Client] = OrderedDict()
_lock = threading.Lock()


def connect(identity: Identity) -> BigQuery:
    """BigQuery as `identity` sees it, over connections that are kept for the next call.

    Raises:
        AuthenticationError: the credentials are missing or malformed.
        PermissionDeniedError: the operator does not let requests use them so.
    """
    key = _fingerprint(identity)
    with _lock:
        client = _clients.get(key)
        if client is not None:
            _clients.move_to_end(key)
    if client is None:
        client = _keep(key, _new_client(identity))
    return BigQuery(client)


def close_all() -> None:
    """Close the connections of all identities; those that are used again are opened again."""
    with _lock:
        clients = list(_clients.values())
        _clients.clear()
    for client in clients:
        client.close()


def _keep(key: tuple[str, ...], client: bigquery.Client) -> bigquery.Client:
    """Keep `client` for the next call, unless another thread was faster; let the oldest go."""
    with _lock:
        kept = _clients.setdefault(key, client)
        _clients.move_to_end(key)
        surplus = [] if kept is client else [client]
        if len(_clients) > _MAX_CLIENTS:
            surplus.append(_clients.popitem(last=False)[1])
    for unwanted in surplus:
        unwanted.close()  # a call that still uses it opens its connection again
    return kept


def _fingerprint(identity: Identity) -> tuple[str, ...]:
    """Tells identities apart without holding their credentials."""
    secret = identity.service_account
    mark = "" if secret is None else hashlib.blake2b(secret.encode(), key=_SALT).hexdigest()
    server = os.environ.get(EMULATOR_VARIABLE, "")
    return (identity.project, mark, identity.impersonate or "", server)


_SALT = os.urandom(16)


def _new_client(identity: Identity) -> bigquery.Client:
    client = bigquery.Client(
        project=identity.project,
        credentials=identity.load(),
        client_info=ClientInfo(user_agent=f"{USER_AGENT}/{version(USER_AGENT)}"),
    )
    # One connection for each thread of the connector; requests keeps 10 and drops the others.
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=_MAX_CONNECTIONS)
    client._http.mount("https://", adapter)  # noqa: SLF001  (the vendor has no public way)
    client._http.mount("http://", adapter)  # noqa: SLF001
    return client
