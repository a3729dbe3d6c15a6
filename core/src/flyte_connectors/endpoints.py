"""Which addresses a request may name.

A task names its endpoint. Without limits, every user who may run tasks could send the service's credentials
anywhere and reach what only the service can reach. `FLYTE_CONNECTORS_ALLOWED_ENDPOINTS` lists what the
operator allows, separated by commas:

    train.example.org               this host, any scheme and port
    train.example.org:8443          this host and port
    *.example.org                   any host below
    192.0.2.7, [2001:db8::7]:8443   an address; IPv6 in brackets
    https://train.example.org/v1    this scheme, host and port, and paths below `/v1`

    entry = [("http" | "https") "://"] ["*."] host [":" port] [path]

A path needs a scheme; without a port, the scheme's own is meant. Hosts are compared without regard to case,
a dot at the end and the way an IPv6 address is shortened. Names outside of ASCII are written as `xn--...`.
Other wildcards, networks, user names, and `%` or `..` in paths are not supported; an invalid entry is an
error when the service starts.

An empty list allows nothing. Without a list, any address may be named except loopback, link-local and
metadata addresses and the service's own, and none that credentials would be sent to. Names are
resolved when `flyte_connectors.http` connects: a listed name that leads to an internal address needs
that address in the list, too. In a local run, in which the user is the operator, everything is allowed.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from flyte_connectors._allow_list import (
    HOST_NAME,
    PORTS,
    AllowListError,
    Place,
    canonical,
    folders_of,
    parse_allow_list,
)
from flyte_connectors.errors import InvalidRequestError, PermissionDeniedError
from flyte_connectors.secrets import is_call_by_user

VARIABLE = "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS"

_INTERNAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data.ec2.internal")

_unrestricted: contextvars.ContextVar[bool] = contextvars.ContextVar("unrestricted", default=False)


@contextlib.contextmanager
def unrestricted() -> Iterator[None]:
    """Within this block any endpoint is allowed: for local runs, in which the user is the operator."""
    token = _unrestricted.set(True)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # an abandoned stream is closed from another context
            _unrestricted.reset(token)


def is_unrestricted() -> bool:
    """Whether this is a local run, in which the user is the operator."""
    return _unrestricted.get() or is_call_by_user()


def checked_endpoint(url: str, field: str, *, with_credentials: bool) -> str:
    """`url` without a slash at the end.

    Args:
        url: What the request names.
        field: Where it names it, for the error.
        with_credentials: Whether credentials that the service holds would be sent there. Credentials that
            came with the request do not count.

    Raises:
        InvalidRequestError: it is not a plain HTTP URL: it has credentials, a query, a fragment, or a
            path with `..`.
        PermissionDeniedError: the operator does not allow it.
    """
    place = _place_of(url, field)
    plain = url.rstrip("/")
    if is_unrestricted():
        return plain
    shown = urlsplit(url).netloc
    listed = _listed(field)
    if listed is not None:
        if any(entry.holds(place) for entry in listed):
            return plain
        fault = f"{shown} is not allowed: {VARIABLE} does not list it"
    elif with_credentials:
        fault = f"the service's credentials go to listed hosts only: add {shown} to {VARIABLE}"
    elif _is_internal(place.host):
        fault = f"{shown} is the service's own machine or network: add it to {VARIABLE}"
    else:
        return plain
    raise PermissionDeniedError(f"{field}: {fault}")


def check_connection(host: str, port: int, address: str, field: str) -> None:
    """Refuse to connect to an internal address that the operator has not listed.

    Args:
        host: The name that led to the address, or the address itself.
        port: Where to connect to.
        address: What `host` was resolved to.
        field: Where the request names the host, for the error.

    Raises:
        PermissionDeniedError: `address` is internal, and the list names neither it nor a host that is
            known to be internal. A listed host may be at this machine's own address, but not at one
            of loopback or of a metadata service.
    """
    from flyte_connectors._addresses import OWN, internal_kind  # only with a new connection

    kind = internal_kind(address)
    if kind is None or is_unrestricted():
        return
    names = {canonical(address.partition("%")[0])}
    if kind == OWN or _is_internal(canonical(host)):
        names.add(canonical(host))
    listed = [entry for entry in _listed(field) or () if not entry.is_domain]
    if any(entry.host in names and entry.port in (None, port) for entry in listed):
        return
    where = address if host == address else f"{host} leads to {address}, which"
    text = f"{where} is {kind}: add {_shown_address(address)} to {VARIABLE}"
    raise PermissionDeniedError(f"{field}: {text}")


def _listed(field: str) -> tuple[Place, ...] | None:
    """What the operator lists; None without a list."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    try:
        return parse_allow_list(text)
    except AllowListError as error:
        raise PermissionDeniedError(
            f"{field}: no endpoint is allowed, because {VARIABLE} is invalid: {error}"
        ) from None


def _place_of(url: str, field: str) -> Place:
    try:
        parts = urlsplit(url)
        port = parts.port
        host = canonical(parts.hostname or "")
    except ValueError:
        parts, port, host = urlsplit(""), None, ""
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    is_url = parts.scheme in PORTS and (HOST_NAME.fullmatch(host) or ":" in host)
    if not (is_url and is_plain) or port == 0:
        message = f"{url[:80]!r} is not a URL that starts with http:// or https:// and a host"
        raise InvalidRequestError(message, field=field)
    if "@" in parts.netloc or "?" in url or "#" in url:
        message = "must not hold a user, a password, a query or a fragment: use a secret"
        raise InvalidRequestError(message, field=field)
    try:
        folders = folders_of(parts.path)
    except ValueError as error:
        raise InvalidRequestError(f"the path can't be used: {error}", field=field) from None
    return Place(parts.scheme, host, port or PORTS[parts.scheme], folders)


def _is_internal(host: str) -> bool:
    """Whether a canonical host is this machine or its network, judged by the name alone."""
    own = socket.gethostname().lower()
    if host in {*_INTERNAL_NAMES, *_METADATA_NAMES, own, own.partition(".")[0]}:
        return True
    if host.endswith((".localhost", ".localdomain")):
        return True
    if not (":" in host or host.rpartition(".")[2][:1].isdigit()):
        return False
    from flyte_connectors._addresses import internal_kind  # only for addresses

    try:
        return internal_kind(host) is not None
    except ValueError:
        # 127.1, 0177.0.0.1 and 2130706433 reach loopback too; no name in the public DNS ends so.
        return True


def _shown_address(address: str) -> str:
    return f"[{address}]" if ":" in address else address
