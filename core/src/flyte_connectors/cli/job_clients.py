"""The clients that commands use: of a connector service, or of this process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.cli.history import JobRecord
from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.local import local_client
from flyte_connectors.errors import InvalidRequestError

if TYPE_CHECKING:
    from flyte_connectors.client.remote import RemoteService


def service_at(endpoint: str) -> RemoteService:
    """A client of the service at `HOST:PORT` or `https://HOST:PORT`.

    Raises:
        InvalidRequestError: the endpoint is not of that form, or its certificates can't be read.
    """
    # gRPC writes its own lines about what fails to standard error; the error says it once.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from flyte_connectors.client.remote import RemoteService  # imports gRPC

    return RemoteService.from_environment(endpoint)


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
