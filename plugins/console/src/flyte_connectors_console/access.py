"""Who may read the pages.

- Requests under an unknown host name are refused, so that no page of another site can reach the console through
  another name (DNS rebinding).
- Where there are tokens, a browser has to know one. It gets a cookie for it, which holds a signature instead of the
  token, so it works on every replica and after a restart, and ends with its token.
- Where there are none, only clients on this machine are answered.
- Every answer forbids the browser to run or load anything that is not the console's own.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from werkzeug.wrappers import Request, Response

COOKIE = "flyte_connectors_console"
COOKIE_SECONDS = 12 * 3600

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # others need not know a page; its own forms have to say where they are from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer."""


class Tokens(Protocol):
    """The tokens that open the pages."""

    def tokens(self) -> Sequence[bytes]:
        """Those that are valid now."""
        ...

    def holds(self, token: str) -> bool:
        """Whether one is."""
        ...


class OneToken:
    """A token for one process; `value` is it."""

    def __init__(self) -> None:
        self.value = secrets.token_urlsafe(24)

    def tokens(self) -> Sequence[bytes]:
        """The token."""
        return [self.value.encode()]

    def holds(self, token: str) -> bool:
        """Whether `token` is the token."""
        return hmac.compare_digest(token.strip().encode(), self.value.encode())


class Access:
    """Decides about requests.

    Args:
        tokens: What opens the pages; None if only this machine may read them.
        hosts: Host names that clients may use besides addresses and `localhost`.
    """

    def __init__(self, tokens: Tokens | None, hosts: Sequence[str] = ()) -> None:
        self.tokens = tokens
        self._hosts = frozenset(host.lower() for host in hosts) | {"localhost"}

    def refuses(self, request: Request) -> tuple[int, str] | None:
        """The status and the reason why a request is not answered at all; None if it is."""
        host = urlsplit(f"//{request.host}").hostname or ""
        if host.lower() not in self._hosts and not _is_address(host):
            text = (
                f"unknown host name {host[:100]!r}: if the console is to be found there, set --console-url to its URL"
            )
            return 421, text
        if self.tokens is None and not _is_this_machine(request):
            text = (
                "only clients on this machine are answered without a token: set --console-token-file, "
                "or forward the port, as `kubectl port-forward` does"
            )
            return 403, text
        site = request.headers.get("Sec-Fetch-Site", "none")
        is_page = request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
        if site not in ("same-origin", "none") and not (is_page and request.method == "GET"):
            return 403, "requests of other sites are refused"
        if request.method == "POST" and not _is_own_form(request):
            return 403, "requests of other sites are refused"
        return None

    def knows(self, request: Request) -> bool:
        """Whether the client has shown a valid token, now or before."""
        if self.tokens is None:
            return True
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.tokens.holds(token):
            return True
        expiry, _, signature = request.cookies.get(COOKIE, "").partition(".")
        if not (expiry.isdecimal() and len(expiry) < 12) or int(expiry) < time.time():  # noqa: PLR2004
            return False
        expected = [_signature(token, expiry) for token in self.tokens.tokens()]
        matches = [hmac.compare_digest(signature.encode(), known.encode()) for known in expected]
        return any(matches)

    def remember(self, token: str, request: Request, response: Response) -> None:
        """Give the client a cookie for a valid token."""
        expiry = str(int(time.time()) + COOKIE_SECONDS)
        response.set_cookie(
            COOKIE,
            f"{expiry}.{_signature(token.strip().encode(), expiry)}",
            max_age=COOKIE_SECONDS,
            path=request.script_root or "/",
            secure=request.scheme == "https",
            httponly=True,
            samesite="Lax",  # Flyte's own page links to the console
        )


def _signature(token: bytes, expiry: str) -> str:
    return hmac.new(token, f"flyte-connectors-console {expiry}".encode(), hashlib.sha256).hexdigest()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_this_machine(request: Request) -> bool:
    """Whether the client is here; one behind a proxy is not."""
    headers = request.headers
    if "X-Forwarded-For" in headers or "Forwarded" in headers:
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _is_own_form(request: Request) -> bool:
    """Whether a form was sent by one of the console's own pages; programs send no origin."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
