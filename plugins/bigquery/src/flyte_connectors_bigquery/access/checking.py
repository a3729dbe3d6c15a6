"""Whether BigQuery answers the service's own credentials, where the operator has given it some."""

from __future__ import annotations

import os

import google.auth
from flyte_connectors.errors import AuthenticationError
from google.api_core.retry import Retry
from google.auth import exceptions

from flyte_connectors_bigquery.access.connections import client_of
from flyte_connectors_bigquery.access.credentials import SCOPES, Identity
from flyte_connectors_bigquery.access.vendor_errors import translated
from flyte_connectors_bigquery.settings import BigQuerySettings

SECONDS = 10.0
ONCE = Retry(predicate=lambda _: False)


def check() -> list[str]:
    """A line about the service's own credentials; none if all tasks bring theirs.

    Raises:
        ConnectorError: BigQuery refuses them, or does not answer.
    """
    settings = BigQuerySettings.read()
    if settings.emulator:
        project = next(iter(settings.allowed_projects or ()), "project")
        return [_asked(project, f"the emulator {settings.emulator}")]
    try:
        with translated("the service's own credentials"):
            own = google.auth.default(scopes=SCOPES)[1]
    except (AuthenticationError, exceptions.DefaultCredentialsError):
        if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS") or settings.allowed_projects:
            raise
        return []
    allowed = [name for name in settings.allowed_projects or () if name != "*"]
    return [_asked(name, f"project {name}") for name in allowed or filter(None, [own])]


def _asked(project: str, name: str) -> str:
    client = client_of(Identity(project))
    with translated(name):
        list(client.list_datasets(max_results=1, timeout=SECONDS, retry=ONCE))
    return f"BigQuery, {name}"
