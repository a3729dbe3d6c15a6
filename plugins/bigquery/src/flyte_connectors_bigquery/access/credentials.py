"""Whose credentials a call uses, and whether the operator lets it.

*   A service account's JSON, as the secret `google_application_credentials` of the task.
*   Without it the server's own: application default credentials
    (https://cloud.google.com/docs/authentication/application-default-credentials). A request may
    use these only for projects in `FLYTE_CONNECTORS_BIGQUERY_ALLOWED_PROJECTS` (comma-separated;
    `*` for any); unset, only for the project that they themselves belong to.
*   Either may act as another service account, which for the server's own has to belong to an
    allowed project, too.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import google.auth
from flyte_connectors.errors import AuthenticationError, PermissionDeniedError
from google.auth import exceptions, impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.oauth2 import service_account

from flyte_connectors_bigquery.access.vendor_errors import translated

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

ALLOWED_PROJECTS_VARIABLE = "FLYTE_CONNECTORS_BIGQUERY_ALLOWED_PROJECTS"
EMULATOR_VARIABLE = "BIGQUERY_EMULATOR_HOST"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_SERVICE_ACCOUNT_DOMAIN = ".iam.gserviceaccount.com"


@dataclass(frozen=True)
class Identity:
    """Who asks BigQuery.

    Attributes:
        project: The project that jobs run in.
        service_account: JSON key of a service account; None for the server's own credentials.
        impersonate: Address of the service account to act as.
    """

    project: str
    service_account: str | None = field(default=None, repr=False)
    impersonate: str | None = None

    def load(self) -> Credentials:
        """The credentials, ready to use.

        Raises:
            AuthenticationError: they are missing or malformed.
            PermissionDeniedError: the operator does not let requests use them so.
        """
        if self.service_account is not None:
            credentials = _from_json(self.service_account)
        else:
            credentials = _of_server(self.project, self.impersonate)
        if self.impersonate is None:
            return credentials
        return impersonated_credentials.Credentials(credentials, self.impersonate, list(SCOPES))


def _from_json(text: str) -> Credentials:
    try:
        key: Any = json.loads(text)
        _check_token_uri(key["token_uri"])
        credentials: Credentials = service_account.Credentials.from_service_account_info(
            key, scopes=SCOPES
        )
    except (exceptions.GoogleAuthError, ValueError, KeyError, TypeError, AttributeError):
        # Not the cause's text: it may quote the key.
        message = (
            "the secret google_application_credentials is no usable service account key: it has to "
            "be the JSON that Google Cloud issued, with type service_account"
        )
        raise AuthenticationError(message) from None
    return credentials


def _check_token_uri(uri: str) -> None:
    """Refuse a key that would have the server send requests to a host of the key's choice."""
    host = urlsplit(uri).hostname or ""
    emulator = urlsplit(os.environ.get(EMULATOR_VARIABLE, "")).hostname
    if host != emulator and not (uri.startswith("https://") and host.endswith(".googleapis.com")):
        message = "its token_uri is not Google's"
        raise ValueError(message)


def _of_server(project: str, impersonate: str | None) -> Credentials:
    if os.environ.get(EMULATOR_VARIABLE):
        return AnonymousCredentials()
    with translated(f"project {project}"):
        credentials, own_project = google.auth.default(scopes=SCOPES)
    allowed = _allowed_projects(own_project)
    _check_allowed(project, f"project {project}", allowed)
    if impersonate is not None:
        _check_allowed(_project_of(impersonate), f"service account {impersonate}", allowed)
    return credentials


def _allowed_projects(own_project: str | None) -> set[str]:
    variable = os.environ.get(ALLOWED_PROJECTS_VARIABLE)
    if variable is None:
        return {own_project} if own_project else set()
    return {name.strip() for name in variable.split(",") if name.strip()}


def _check_allowed(project: str, what: str, allowed: set[str]) -> None:
    if project not in allowed and "*" not in allowed:
        message = (
            f"{what} may not be used with this server's own credentials: give the task a secret "
            f"google_application_credentials, or have the operator list {project or 'it'} in "
            f"{ALLOWED_PROJECTS_VARIABLE}"
        )
        raise PermissionDeniedError(message)


def _project_of(address: str) -> str:
    """The project of a service account, from its address; empty for Google's own accounts."""
    domain = address.partition("@")[2]
    return domain.removesuffix(_SERVICE_ACCOUNT_DOMAIN) if domain != address else ""
