"""The address of a connector service, as people write it."""

from __future__ import annotations

import re
from typing import NamedTuple

from flyte_connectors.errors import InvalidRequestError

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_NAME_RESOLVER = re.compile(r"(dns|ipv4|ipv6|unix|unix-abstract|vsock|xds):")
_HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.%\w]+\]|[^\s:/@?#\[\]]+):(\d{1,5})")
_LARGEST_PORT = 65535


class Endpoint(NamedTuple):
    """Where a service listens.

    Attributes:
        target: What gRPC connects to.
        tls: Whether to use TLS.
        host: Host name or address; empty where a resolver of gRPC's (`dns:`, `unix:`) finds it.
        port: Its port; 0 likewise.
    """

    target: str
    tls: bool
    host: str = ""
    port: int = 0


def parse_endpoint(text: str) -> Endpoint:
    """The address that `HOST:PORT` or `https://HOST:PORT` means.

    Raises:
        InvalidRequestError: it means none.
    """
    scheme = _SCHEME.match(text)
    tls = scheme is not None and scheme[1].lower() == "https"
    target = text[scheme.end() :] if tls and scheme else text
    if _NAME_RESOLVER.match(target):
        return Endpoint(target, tls)
    match = _HOST_AND_PORT.fullmatch(target.rstrip("/") if tls else target)
    if match is None or not 0 < int(match[2]) <= _LARGEST_PORT:
        raise InvalidRequestError(_advice(text, scheme), field="endpoint")
    return Endpoint(match[0], tls, match[1].strip("[]"), int(match[2]))


def _advice(text: str, scheme: re.Match[str] | None) -> str:
    if scheme and scheme[1].lower() == "http":
        rest = text[scheme.end() :].rstrip("/")
        return f"{text!r} is not an address of gRPC: write {rest} without TLS, https://{rest} with TLS"
    return f"{text!r} is not HOST:PORT; write https://HOST:PORT for TLS"
