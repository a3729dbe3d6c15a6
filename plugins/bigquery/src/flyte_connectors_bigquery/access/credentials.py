"""The credentials of a call, and whether the operator allows them.

*   A JSON document of Google Cloud's, as the secret `google_application_credentials` of the task: the
    key of a service account, `authorized_user`, `impersonated_service_account`, or `external_account`
    with a token file that the operator lists in `FLYTE_CONNECTORS_BIGQUERY_TOKEN_FILES`.
*   Without it the server's own: application default credentials
    (https://cloud.google.com/docs/authentication/application-default-credentials). A request may
    use these only for projects in `FLYTE_CONNECTORS_BIGQUERY_ALLOWED_PROJECTS` (comma-separated;
    `*` for any); unset, only for the project that they themselves belong to.
*   Either may act as another service account, which for the server's own has to belong to an
    allowed project, too; or through several, one after the other.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import google.auth
from flyte_connectors.errors import AuthenticationError, PermissionDeniedError
from google.auth import environment_vars, exceptions, identity_pool, impersonated_credentials
from google.auth.credentials import AnonymousCredentials
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

from flyte_connectors_bigquery.access.vendor_errors import translated
from flyte_connectors_bigquery.settings import (
    ALLOWED_PROJECTS_VARIABLE,
    EMULATOR_VARIABLE,
    TOKEN_FILES_VARIABLE,
    BigQuerySettings,
)

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_SERVICE_ACCOUNT_DOMAIN = ".iam.gserviceaccount.com"
_UNIVERSE = "googleapis.com"
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105


@dataclass(frozen=True)
class Identity:
    """Who asks BigQuery.

    Attributes:
        project: The project that jobs run in.
        secret: JSON document with credentials; None for the server's own.
        impersonate: Address of the service account to act as; several are separated by commas, each
            acts as the next.
    """

    project: str
    secret: str | None = field(default=None, repr=False)
    impersonate: str | None = None

    def load(self) -> Credentials:
        """The credentials, ready to use.

        Raises:
            AuthenticationError: they are missing or malformed.
            PermissionDeniedError: the operator does not allow requests to use them.
        """
        credentials = from_json(self.secret) if self.secret is not None else _of_server(self.project, self.impersonate)
        return acting_as(credentials, self.impersonate)


def from_json(text: str) -> Credentials:
    """The credentials in a JSON document of Google Cloud's.

    Raises:
        AuthenticationError: it is malformed, or would have this process read a file, run a command
            or send a request that was not allowed.
    """
    try:
        return _from_info(json.loads(text))
    except (exceptions.GoogleAuthError, ValueError, KeyError, TypeError, AttributeError):
        # Not the cause's text: it may quote the key.
        message = (
            "the secret google_application_credentials can't be used: it has to be the JSON that "
            "Google Cloud issued, of type service_account, authorized_user, "
            "impersonated_service_account, or external_account with a token file listed in "
            f"{TOKEN_FILES_VARIABLE}"
        )
        raise AuthenticationError(message) from None


def default_project(secret: str | None) -> str | None:
    """The project that credentials belong to; None if they do not say.

    Args:
        secret: JSON document with credentials; None for the server's own.

    Raises:
        AuthenticationError: there are none.
    """
    if secret is None:
        if os.environ.get(EMULATOR_VARIABLE):
            return os.environ.get(environment_vars.PROJECT)  # as Google's own look there first
        with translated("the default project"):
            return google.auth.default(scopes=SCOPES)[1]
    try:
        info = json.loads(secret)
        names = [info.get(name) for name in ("project_id", "quota_project_id")]
    except (ValueError, AttributeError):
        return None  # what is wrong with it is said where it is used
    return next((name for name in names if isinstance(name, str) and name), None)


def acting_as(credentials: Credentials, accounts: str | None) -> Credentials:
    """`credentials` as the last of `accounts`, which are separated by commas."""
    *delegates, target = [name.strip() for name in (accounts or "").split(",")]
    if not target:
        return credentials
    chain = [f"projects/-/serviceAccounts/{name}" for name in delegates]
    return impersonated_credentials.Credentials(credentials, target, list(SCOPES), delegates=chain or None)


def _from_info(info: Any) -> Credentials:
    if info.get("universe_domain", _UNIVERSE) != _UNIVERSE:
        message = "its universe_domain is not Google's"  # google-auth derives hosts from it
        raise ValueError(message)
    read = _READERS[info["type"]]
    credentials: Credentials = read(info)
    return credentials


def _service_account(info: Any) -> Any:
    _check_host(info["token_uri"])
    return service_account.Credentials.from_service_account_info(info, scopes=SCOPES)


def _authorized_user(info: Any) -> Any:
    uri = info.get("token_uri") or _TOKEN_URI
    _check_host(uri)
    for name in ("refresh_token", "client_id", "client_secret"):
        if not isinstance(info[name], str):
            raise TypeError(name)
    return user_credentials.Credentials(
        None,
        refresh_token=info["refresh_token"],
        token_uri=uri,
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        quota_project_id=info.get("quota_project_id"),
    )


def _external_account(info: Any) -> Any:
    source = info["credential_source"]
    allowed = BigQuerySettings.read().token_files
    if source.keys() - {"file", "format"} or source["file"] not in allowed:
        message = "its credential_source is not allowed"
        raise ValueError(message)
    _check_host(info["token_url"])
    for name in ("service_account_impersonation_url", "token_info_url"):
        if info.get(name):
            _check_host(info[name])
    return identity_pool.Credentials.from_info(info, scopes=SCOPES)


def _impersonated(info: Any) -> Any:
    _check_host(info["service_account_impersonation_url"])
    path = urlsplit(info["service_account_impersonation_url"]).path
    target = path.rpartition("/")[2].removesuffix(":generateAccessToken")
    source = _from_info(info["source_credentials"])
    delegates = [name.rpartition("/")[2] for name in info.get("delegates") or ()]
    return acting_as(source, ",".join([*delegates, target]))


_READERS = {
    "service_account": _service_account,
    "authorized_user": _authorized_user,
    "external_account": _external_account,
    "impersonated_service_account": _impersonated,
}


def _check_host(uri: str) -> None:
    """Refuse a key that would have the server send requests to a host of the key's choice."""
    host = urlsplit(uri).hostname or ""
    emulator = urlsplit(os.environ.get(EMULATOR_VARIABLE, "")).hostname
    if host != emulator and not (uri.startswith("https://") and host.endswith(".googleapis.com")):
        message = "it names a host that is not Google's"
        raise ValueError(message)


def _of_server(project: str, impersonate: str | None) -> Credentials:
    if os.environ.get(EMULATOR_VARIABLE):
        return AnonymousCredentials()
    with translated(f"project {project}"):
        credentials, own_project = google.auth.default(scopes=SCOPES)
    allowed = _allowed_projects(own_project)
    _check_allowed(project, f"project {project}", allowed)
    for account in filter(None, (impersonate or "").split(",")):
        name = account.strip()
        _check_allowed(_project_of(name), f"service account {name}", allowed)
    return credentials


def _allowed_projects(own_project: str | None) -> set[str]:
    allowed = BigQuerySettings.read().allowed_projects
    if allowed is None:
        return {own_project} if own_project else set()
    return set(allowed)


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
