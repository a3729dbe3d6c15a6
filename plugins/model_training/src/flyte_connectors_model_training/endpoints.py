"""Which addresses a request may name.

`FLYTE_CONNECTORS_ALLOWED_ENDPOINTS` lists them, separated by commas:

    train.example.org               this host, any scheme and port
    train.example.org:8443          this host and port
    *.example.org                   any host below
    https://train.example.org/v1    this origin, and paths below `/v1`

Where it is not set, any address may be named, but none that credentials would be sent to: the
task names both, so anyone who may run tasks could have the service's secrets sent to their host.
"""

from __future__ import annotations

import os
from urllib.parse import SplitResult, urlsplit

from flyte_connectors.errors import InvalidRequestError, PermissionDeniedError

VARIABLE = "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS"
_PORTS = {"http": 80, "https": 443}


def checked_endpoint(url: str, field: str, *, with_credentials: bool) -> str:
    """Answer `url` without a slash at the end.

    Args:
        url: What the request names.
        field: Where it names it, for the error.
        with_credentials: Whether secrets would be sent there.

    Raises:
        InvalidRequestError: It is no HTTP URL, or carries credentials, a query or a fragment.
        PermissionDeniedError: The operator does not allow it.
    """
    parts = _parsed(url, field)
    entries = [entry.strip() for entry in os.environ.get(VARIABLE, "").split(",") if entry.strip()]
    if not entries and with_credentials:
        message = f"{field}: credentials go to listed hosts only: add {parts.netloc} to {VARIABLE}"
        raise PermissionDeniedError(message)
    if entries and not any(_matches(parts, entry) for entry in entries):
        message = f"{field}: {parts.netloc} is not allowed: {VARIABLE} does not list it"
        raise PermissionDeniedError(message)
    return url.rstrip("/")


def _parsed(url: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    is_url = parts.scheme in _PORTS and parts.hostname and url.isprintable() and " " not in url
    if not is_url or port == 0:
        message = f"{url[:80]!r} is no URL: it starts with http:// or https:// and a host"
        raise InvalidRequestError(message, field=field)
    if "@" in parts.netloc or parts.query or parts.fragment:
        message = "must not hold a user, a password, a query or a fragment: use auth"
        raise InvalidRequestError(message, field=field)
    return parts


def _matches(parts: SplitResult, entry: str) -> bool:
    allowed = urlsplit(entry if "://" in entry else f"//{entry}")
    if allowed.scheme and allowed.scheme != parts.scheme:
        return False
    wanted_port = allowed.port or _PORTS.get(allowed.scheme)
    if wanted_port and wanted_port != (parts.port or _PORTS[parts.scheme]):
        return False
    return _is_below(parts.path, allowed.path) and _is_host(parts.hostname, allowed.hostname)


def _is_host(host: str | None, allowed: str | None) -> bool:
    if not host or not allowed:
        return False
    if allowed.startswith("*."):
        return host.endswith(allowed[1:])
    return host == allowed


def _is_below(path: str, allowed: str) -> bool:
    folder = allowed.rstrip("/")
    is_plain = ".." not in path.split("/") and "%2e" not in path.lower()
    return is_plain and (path == folder or path.startswith(f"{folder}/") or not folder)
