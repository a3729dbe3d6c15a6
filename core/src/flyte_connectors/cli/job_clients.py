"""The jobs that commands are about, and the clients that answer about them: of a service, or of this process."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.cli.history import JobRecord, find_jobs
from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.local import local_client
from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from flyte_connectors.client.remote import RemoteService


ENDPOINT_VARIABLE = "FLYTE_CONNECTORS_ENDPOINT"


def service_at(endpoint: str) -> RemoteService:
    """A client of the service at `HOST:PORT` or `https://HOST:PORT`.

    Raises:
        InvalidRequestError: the endpoint is not of that form, or its certificates can't be read.
    """
    # gRPC writes its own lines about what fails to standard error; the error says it once.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from flyte_connectors.client.remote import RemoteService  # imports gRPC

    return RemoteService.from_environment(endpoint)


def jobs_of(name: str, endpoint: str) -> Sequence[JobRecord]:
    """The jobs of a run of this machine; or the job that `TYPE/META`, or the URL of its page, names.

    Args:
        name: The run's name, or the address of the job.
        endpoint: The service that hosts the connector of an address; empty for this process.

    Raises:
        JobNotFoundError: no run of that name was started here.
        InvalidRequestError: the address is damaged.
    """
    if "/" not in name:
        return find_jobs(name)
    task_type, rest = name.split("/")[-2:]
    meta, _, version = rest.partition("?version=")
    try:
        resource_meta = base64.b64encode(base64.urlsafe_b64decode(f"{meta}==")).decode()
        category = (unquote(task_type), int(version or 0))
    except ValueError as error:
        text = "the address of the job is incomplete or damaged: copy it once more"
        raise InvalidRequestError(text, field="RUN") from error
    return [JobRecord("", "", name, *category, resource_meta, endpoint)]


@contextlib.asynccontextmanager
async def client_of(job: JobRecord) -> AsyncIterator[ConnectorClient]:
    """A client of the host of the connector of `job`: a service, or this process."""
    if job.endpoint:
        async with service_at(job.endpoint) as service:
            yield service
        return
    if job.module:
        with contextlib.suppress(InvalidRequestError):  # the connector may well be installed
            import_module(job.module)  # it may register the connector itself
    yield local_client()
