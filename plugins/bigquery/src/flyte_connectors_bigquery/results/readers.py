"""Whose credentials read a table.

A result belongs to the account that ran the query: to the account of the task's secret, or to the service
account that was impersonated. Its URI names both, see `uris`, and the process that reads it looks for
the secret where Flyte mounts it. Where the secret is missing the default credentials are tried; if
they may not read the table, the error says what is missing.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import google.auth
from flyte_connectors.errors import AuthenticationError, ConnectorError, PermissionDeniedError
from flyte_connectors.secrets import resolve
from google.auth.credentials import AnonymousCredentials

from flyte_connectors_bigquery.access.credentials import (
    SCOPES,
    acting_as,
    from_json,
)
from flyte_connectors_bigquery.access.vendor_errors import translated
from flyte_connectors_bigquery.settings import EMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.auth.credentials import Credentials

    from flyte_connectors_bigquery.results.uris import TableUri


@dataclass(frozen=True)
class Reader:
    """Who reads a table.

    Attributes:
        credentials: To read it with.
        project: The project that reading is billed to.
        lacks: What is missing here of what the query ran with; empty if nothing is.
    """

    credentials: Credentials
    project: str
    lacks: str

    @classmethod
    def of(cls, table: TableUri, credentials: Credentials | None = None) -> Reader:
        """The reader of `table`, with `credentials` if they are given.

        Raises:
            AuthenticationError: the secret is malformed, or there are no credentials at all.
        """
        project = table.job_project or table.project
        if credentials is not None:
            return cls(credentials, project, "")
        secret, lacks = _secret(table.secret)
        if secret is not None:
            credentials = from_json(secret)
        else:
            credentials, own_project = _default(lacks)
            if not table.impersonate:
                project = own_project or project
        return cls(acting_as(credentials, table.impersonate), project, lacks)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Within this block an error about permissions says what the reader lacks."""
        try:
            yield
        except (AuthenticationError, PermissionDeniedError) as error:
            raise _with(error, self.lacks) from error


def _secret(name: str | None) -> tuple[str | None, str]:
    if name is None:
        return None, ""
    try:
        return resolve({"secret": name}, {}, local=True)["secret"], ""
    except AuthenticationError as error:
        return None, f"the query ran with a secret that this process does not have: {error.message}"


def _default(lacks: str) -> tuple[Credentials, str | None]:
    if os.environ.get(EMULATOR_VARIABLE):
        return AnonymousCredentials(), None
    try:
        with translated("reading BigQuery tables"):
            credentials, project = google.auth.default(scopes=SCOPES)
            return credentials, project
    except AuthenticationError as error:
        raise _with(error, lacks) from error


def _with(error: ConnectorError, more: str) -> ConnectorError:
    return type(error)(f"{error.message}; {more}") if more else error
