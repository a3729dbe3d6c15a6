"""Refuses requests that pages of other sites send through a user's browser.

A page of another site can send requests to this service: under a host name that it resolves to this address
(DNS rebinding), or across sites. The first shows in `Host`, the second in `Origin`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send


class OwnHosts:
    """Accepts requests to this service's names and addresses only, and none from other sites.

    Args:
        app: The application.
        names: Names of the service, besides addresses and `localhost`.
        public_url: Where a proxy serves it.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str], public_url: str | None) -> None:
        self._app = app
        self._public = urlsplit(public_url or "").netloc.lower()
        public_name = urlsplit(public_url or "").hostname or ""
        self._names = {"localhost", public_name, *(name.lower() for name in names)} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400 to an unknown host and 403 to an unknown origin."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            hosts, origin = headers.getlist("host"), headers.get("origin")
            refusal = None
            if len(hosts) != 1 or not self._is_own(hosts[0]):
                text = f"unknown host {', '.join(hosts)[:200]!r}: start the service with --allowed-host"
                refusal = JSONResponse({"error": text}, 400)
            elif origin is not None and not self._is_of(origin, hosts[0]):
                refusal = JSONResponse({"error": "requests from other sites are refused"}, 403)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if set(host) & set("@/?#\\ "):
            return False
        return name.rstrip(".") in self._names or _is_address(name)

    def _is_of(self, origin: str, host: str) -> bool:
        return urlsplit(origin).netloc.lower() in {host.lower(), self._public} - {""}


def _is_address(name: str) -> bool:
    """An address can't be made to lead elsewhere, as a name can."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
