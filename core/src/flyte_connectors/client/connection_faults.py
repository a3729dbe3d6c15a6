"""Finds out why a service can't be reached, by connecting once more without gRPC.

gRPC reports a plaintext client at a TLS port, a certificate for another name and a closed port alike, as
UNAVAILABLE. Only for the last of these do retries help.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import NamedTuple

from flyte_connectors.client.endpoint import Endpoint

CA_VARIABLE = "FLYTE_CONNECTORS_ENDPOINT_CA"

_TIMEOUT = 3.0  # seconds for each step
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
"""How a connection of HTTP/2 begins: the preface and empty settings (RFC 9113, 3.4)."""

_SETTINGS = 4
"""Type of the frame with which a server answers, the fourth byte of it."""

_ALERT = 21
"""First byte that a TLS server sends to a plaintext client (RFC 8446, 5.1)."""

_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


class Fault(NamedTuple):
    """Why a service can't be reached.

    Attributes:
        reason: One line.
        passes: Whether trying again may help.
    """

    reason: str
    passes: bool


async def find_fault(endpoint: Endpoint, ca: bytes | None) -> Fault | None:
    """Connect to a service as the client does, and return what fails.

    Args:
        endpoint: The service.
        ca: Certificates to trust instead of the system's, PEM.

    Returns:
        None if nothing is found.
    """
    if not endpoint.host or _goes_through_a_proxy(endpoint.host):
        return None
    try:
        await _talk(endpoint)
    except socket.gaierror as error:
        return Fault(f"can't resolve the host name: {error.strerror}", passes=False)
    except asyncio.TimeoutError:
        return Fault("no answer to a connection attempt", passes=True)
    except OSError as error:
        return Fault(_text_of(error), passes=True)
    find = _fault_of_tls(endpoint, ca) if endpoint.tls else _fault_of_plaintext(endpoint)
    return await find


async def _fault_of_tls(endpoint: Endpoint, ca: bytes | None) -> Fault | None:
    try:
        await _talk(endpoint, ssl.create_default_context(cadata=ca.decode() if ca else None))
    except ssl.SSLCertVerificationError as error:
        reason = f"the certificate is not accepted: {error.verify_message.rstrip('.')}"
        advice = f" ({CA_VARIABLE}=FILE says which authorities to trust)"
        return Fault(reason + ("" if "expired" in reason else advice), passes=False)
    except (OSError, asyncio.TimeoutError) as error:
        if _is_http2(await _answer(endpoint)):
            unset = f", and unset {CA_VARIABLE}" if ca else ""
            return Fault(
                f"the port does not use TLS: write {endpoint.target} without https://{unset}",
                passes=False,
            )
        return Fault(f"the TLS handshake failed: {_text_of(error)}", passes=True)
    return None


async def _fault_of_plaintext(endpoint: Endpoint) -> Fault | None:
    answer = await _answer(endpoint)
    if _is_http2(answer):
        return None
    if answer and answer[0] != _ALERT:
        return Fault("the port does not serve gRPC: is it the metrics port?", passes=False)
    anybody = ssl.create_default_context()  # nothing is sent or believed
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        await _talk(endpoint, anybody)
        return Fault(
            f"the port uses TLS: write https://{endpoint.target} (and set {CA_VARIABLE}=FILE to"
            " trust a private authority)",
            passes=False,
        )
    return None


async def _answer(endpoint: Endpoint) -> bytes:
    """What a plaintext port answers to the beginning of HTTP/2; empty if nothing."""
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        return await _talk(endpoint, hello=_HELLO)
    return b""


def _is_http2(answer: bytes) -> bool:
    return answer[3:4] == bytes([_SETTINGS])


async def _talk(endpoint: Endpoint, tls: ssl.SSLContext | None = None, hello: bytes = b"") -> bytes:
    """The first bytes that a server answers to `hello`; none if that is empty."""
    if tls is not None:
        tls.set_alpn_protocols(["h2"])
    connecting = asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls)
    reader, writer = await asyncio.wait_for(connecting, _TIMEOUT)
    try:
        writer.write(hello)
        return await asyncio.wait_for(reader.read(64), _TIMEOUT) if hello else b""
    finally:
        writer.transport.abort()


def _text_of(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()  # asyncio's own text repeats the address
    return str(error) or "no answer"


def _goes_through_a_proxy(host: str) -> bool:
    """Whether gRPC reaches a host by way of a proxy, where connecting to it directly says nothing."""
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
        return False
    from urllib.request import proxy_bypass  # only where a proxy is configured

    return not proxy_bypass(host)
