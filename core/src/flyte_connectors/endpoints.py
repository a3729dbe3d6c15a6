"""Which addresses a request may name.

A task names its endpoint, and whoever may run tasks would otherwise decide where the service's own
credentials go, and reach what only the service can reach. `FLYTE_CONNECTORS_ALLOWED_ENDPOINTS` lists
what the operator allows, separated by commas:

    train.example.org               this host, any scheme and port
    train.example.org:8443          this host and port
    *.example.org                   any host below
    https://train.example.org/v1    this origin, and paths below `/v1`

Where it is not set, any address may be named, except loopback and link-local ones (cloud metadata
services are there), and none that the service's own credentials would be sent to. Names are not
resolved: list the hosts where the network around the service is worth protecting. In a local run
user and operator are one, and everything is allowed.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from flyte_connectors.errors import InvalidRequestError, PermissionDeniedError

VARIABLE = "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS"

_PORTS = {"http": 80, "https": 443}
# Clients decode, normalize or end a host at other characters (urllib3 at a backslash): a name that
# only we read in this way is no name.
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?|[0-9a-f:.]+")
_INTERNAL_NAMES = ("localhost", "metadata.google.internal")

_unrestricted: contextvars.ContextVar[bool] = contextvars.ContextVar("unrestricted", default=False)


@contextlib.contextmanager
def unrestricted() -> Iterator[None]:
    """Within this block any endpoint is allowed: user and operator are one."""
    token = _unrestricted.set(True)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # an abandoned stream is closed from another context
            _unrestricted.reset(token)


def checked_endpoint(url: str, field: str, *, with_credentials: bool) -> str:
    """`url` without a slash at the end.

    Args:
        url: What the request names.
        field: Where it names it, for the error.
        with_credentials: Whether credentials that the service holds would be sent there. Those that
            came with the request are its user's own.

    Raises:
        InvalidRequestError: it is no HTTP URL, or carries credentials, a query or a fragment.
        PermissionDeniedError: the operator does not allow it.
    """
    parts = _parsed(url, field)
    if _unrestricted.get():
        return url.rstrip("/")
    entries = [entry.strip() for entry in os.environ.get(VARIABLE, "").split(",") if entry.strip()]
    if any(_matches(parts, entry) for entry in entries):
        return url.rstrip("/")
    if entries:
        fault = f"{parts.netloc} is not allowed: {VARIABLE} does not list it"
    elif with_credentials:
        fault = (
            f"the service's credentials go to listed hosts only: add {parts.netloc} to {VARIABLE}"
        )
    elif _is_internal(parts.hostname or ""):
        fault = f"{parts.netloc} is the service's own machine or network: add it to {VARIABLE}"
    else:
        return url.rstrip("/")
    raise PermissionDeniedError(f"{field}: {fault}")


def _parsed(url: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    is_url = parts.scheme in _PORTS and _HOST.fullmatch(parts.hostname or "")
    if not (is_url and is_plain) or port == 0:
        message = f"{url[:80]!r} is no URL: it starts with http:// or https:// and a host"
        raise InvalidRequestError(message, field=field)
    if "@" in parts.netloc or "?" in url or "#" in url:
        message = "must not hold a user, a password, a query or a fragment: use a secret"
        raise InvalidRequestError(message, field=field)
    return parts


def _is_internal(host: str) -> bool:
    """Whether a host is loopback, link-local or unspecified, however its address is written."""
    if host.rstrip(".") in _INTERNAL_NAMES or host.rstrip(".").endswith(".localhost"):
        return True
    import ipaddress  # only for tasks that name an address

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # 127.1, 0177.0.0.1 and 2130706433 reach loopback too; no name in the public DNS ends so.
        return host.rpartition(".")[2][:1].isdigit()
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified)


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
