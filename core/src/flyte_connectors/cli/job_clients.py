"""Finds the jobs of a run, and the service or process that hosts their connectors."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from flyte_connectors._registry.user_modules import import_module
from flyte_connectors.cli.history import JobRecord
from flyte_connectors.cli.services import service_at
from flyte_connectors.client.job_loop import ConnectorClient
from flyte_connectors.client.local import local_client
from flyte_connectors.errors import InvalidRequestError


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
