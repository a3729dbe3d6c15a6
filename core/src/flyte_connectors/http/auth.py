"""Credentials as headers. Whatever form they are sent in is masked from then on, until the call ends."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.secrets import mask

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_OWN = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "accept-encoding",
    ]
)
"""Headers that say where a request ends and whom it is for."""


def bearer(token: str, *, field: str = "secrets") -> dict[str, str]:
    """`Authorization: Bearer TOKEN` (RFC 6750).

    Args:
        token: The secret.
        field: Where the task names it, for errors.

    Raises:
        InvalidRequestError: the token can't be part of a header.
    """
    mask(str(token))
    return checked_headers({"Authorization": f"Bearer {token}"}, field)


def basic(user: str, password: str, *, field: str = "secrets") -> dict[str, str]:
    """`Authorization: Basic ...` (RFC 7617), in UTF-8.

    Args:
        user: The user's name, without a colon.
        password: The secret.
        field: Where the task names them, for errors.

    Raises:
        InvalidRequestError: the name holds a colon.
    """
    if ":" in user:
        raise InvalidRequestError("the name of a user holds no colon", field=field)
    try:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    except UnicodeEncodeError:
        raise InvalidRequestError("is not a text in UTF-8", field=field) from None
    mask(str(password), f"{user}:{password}", pair)
    return {"Authorization": f"Basic {pair}"}


def header(name: str, value: str, *, field: str = "secrets") -> dict[str, str]:
    """A header of the service's own, such as `X-Api-Key`.

    Args:
        name: The header's name.
        value: The secret.
        field: Where the task names them, for errors.

    Raises:
        InvalidRequestError: the name is not one of a header, or one that frames the request; or the
            value can't be part of a header.
    """
    mask(str(value))
    return checked_headers({name: str(value)}, field)


def checked_headers(headers: Mapping[str, str], field: str) -> dict[str, str]:
    """A copy of `headers`.

    Raises:
        InvalidRequestError: a name or a value is not ASCII, has a line break or another control
            character; or the header frames the request. The text does not show a value.
    """
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            message = f"{name[:80]!r} is not the name of a header: use letters, digits and '-'"
            raise InvalidRequestError(message, field=field)
        if name.lower() in _OWN:
            message = f"the header {name} belongs to the HTTP client: choose another"
            raise InvalidRequestError(message, field=field)
        if not _VALUE.fullmatch(value):
            message = f"the value of the header {name} must be printable ASCII without line breaks"
            raise InvalidRequestError(message, field=field)
    return dict(headers)
