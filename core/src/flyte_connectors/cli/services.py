"""The connector service that a command talks to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

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
