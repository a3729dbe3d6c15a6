"""The grammar of `FLYTE_CONNECTORS_ALLOWED_ENDPOINTS`; `endpoints` describes it.

entry = [("http" | "https") "://"] ["*."] host [":" port] [path]
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::[^\[\]]*)?")


class AllowListError(ValueError):
    """An entry of the list is invalid; the message shows it and how to write it."""


class Place(NamedTuple):
    """An entry of the list, or the target of a request; None means any."""

    scheme: str | None
    host: str
    port: int | None
    folders: tuple[str, ...]
    is_domain: bool = False

    def holds(self, other: Place) -> bool:
        """Whether this entry allows `other`."""
        is_host = other.host.endswith(f".{self.host}") if self.is_domain else other.host == self.host
        return (
            is_host
            and self.scheme in (None, other.scheme)
            and self.port in (None, other.port)
            and other.folders[: len(self.folders)] == self.folders
        )


@functools.lru_cache(maxsize=16)
def parse_allow_list(text: str) -> tuple[Place, ...]:
    """The entries of a list as `FLYTE_CONNECTORS_ALLOWED_ENDPOINTS` has it.

    Raises:
        AllowListError: an entry is invalid.
    """
    return tuple(parse_entry(entry.strip()) for entry in text.split(",") if entry.strip())


def parse_entry(text: str) -> Place:
    """One entry of the list.

    Raises:
        AllowListError: it is invalid.
    """
    if fault := next(_faults(text), None):
        raise AllowListError(f"{text[:200]!r} is not an endpoint: {fault}")
    scheme, separator, rest = text.rpartition("://")
    authority, _, path = rest.partition("/")
    host, port = _split_port(authority)
    is_domain = host.startswith("*.")
    name = canonical(host.removeprefix("*."))
    scheme = scheme.lower()
    number = int(port) if port else PORTS.get(scheme)
    return Place(scheme if separator else None, name, number, folders_of(path), is_domain)


def folders_of(path: str) -> tuple[str, ...]:
    """The parts of a path, decoded.

    Raises:
        ValueError: a part is empty, `.` or `..`, or has a slash, a backslash or a control
            character in it, however often it is encoded.
    """
    parts = path.strip("/").split("/") if path.strip("/") else []
    if "//" in path:
        raise ValueError("it has an empty part")
    return tuple(plain_part(part) for part in parts)


def plain_part(part: str) -> str:
    """One part of a path, decoded as often as it is encoded.

    Raises:
        ValueError: it may be read as more than one part, or as the way up.
    """
    decoded = part
    while (further := unquote(decoded)) != decoded:
        decoded = further
    # Some servers drop what follows a semicolon before they look for dots.
    if decoded.partition(";")[0] in ("", ".", "..") or set(decoded) & {"/", "\\"}:
        raise ValueError(f"{part[:80]!r} is not a plain part of a path")
    if any(ord(sign) < ord(" ") or sign == "\x7f" for sign in decoded):
        raise ValueError(f"{part[:80]!r} has control characters")
    return decoded


def canonical(host: str) -> str:
    """A host in the one spelling that hosts are compared in."""
    name = host.lower().strip("[]")
    if ":" in name:
        if "%" in name:
            raise ValueError("leave out the zone: it has a meaning on one machine only")
        from ipaddress import IPv6Address  # only for addresses

        return IPv6Address(name).compressed
    return name.removesuffix(".")


def _split_port(authority: str) -> tuple[str, str | None]:
    host, separator, port = authority.rpartition(":")
    if not separator or authority.endswith("]"):
        return authority, None
    return host, port


def _faults(text: str) -> Iterator[str]:
    """What is wrong with an entry, and what would be right."""
    scheme, separator, rest = text.rpartition("://")
    authority, slash, path = rest.partition("/")
    if not text.isascii():
        yield "write names outside of ASCII as xn--..."
    if not text.isprintable() or " " in text:
        yield "it has white space: separate entries by commas"
    if separator and scheme.lower() not in PORTS:
        yield f"its scheme is {scheme[:40]!r}: use http or https"
    if "@" in text:
        yield "leave out user and password"
    if set(text) & set("?#\\%"):
        yield "leave out '?', '#', '%' and '\\'"
    if slash and not separator:
        if re.fullmatch(r"[\[\]0-9a-fA-F.:]+/[0-9]+", text):
            yield "networks can't be listed: list hosts or addresses"
        yield "a path needs a scheme: write https://host/path"
    yield from _faults_of_authority(authority)
    try:
        folders_of(path)
    except ValueError as error:
        yield str(error)


def _faults_of_authority(authority: str) -> Iterator[str]:
    if authority.startswith("["):
        try:
            canonical(_BRACKETED.fullmatch(authority)[1])  # type: ignore[index]
        except (TypeError, ValueError):
            yield "its IPv6 address is not valid"
    elif authority.count(":") > 1:
        yield "write an IPv6 address in brackets, such as [::1]:8443"
    host, port = _split_port(authority)
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 2**16):
        yield f"its port is {port[:40]!r}: use 1 to 65535"
    if not host.startswith("["):
        yield from _faults_of_host(host.lower())


def _faults_of_host(host: str) -> Iterator[str]:
    name = host.removeprefix("*.").removesuffix(".")
    if "*" in name:
        yield "a wildcard replaces everything before a domain: write *.example.org"
    if not HOST_NAME.fullmatch(name):
        yield "it has no host name: write host, host:port, *.domain or https://host/path"
    if name.rpartition(".")[2].isdigit() or name.startswith("0x"):
        from ipaddress import IPv4Address  # only for addresses

        try:
            IPv4Address(name)
        except ValueError:
            yield "write an IPv4 address as four numbers, such as 192.0.2.7"
        if host.startswith("*."):
            yield "an address has no hosts below it"
