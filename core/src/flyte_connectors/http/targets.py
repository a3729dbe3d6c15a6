"""The final address of a request: built from quoted parts, and checked as httpx parses it."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from flyte_connectors._allow_list import PORTS, canonical, folders_of, plain_part
from flyte_connectors.errors import InvalidRequestError

Part = str | int


def below(base: httpx.URL, parts: tuple[Part, ...], field: str, *, slash: bool = False) -> httpx.URL:
    """The URL of `parts` below `base`, each quoted.

    Raises:
        InvalidRequestError: a part is empty, `.` or `..`, or holds a slash, also one that is encoded.
    """
    quoted = [_quoted(part, field) for part in parts]
    return httpx.URL("/".join([str(base).rstrip("/"), *quoted, *([""] if slash else [])]))


def linked(base: httpx.URL, link: str, field: str) -> httpx.URL:
    """The URL of a link that a reply holds, absolute or relative to `base`.

    Raises:
        InvalidRequestError: it is not a URL.
    """
    try:
        return base.join(link).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise InvalidRequestError(f"{str(link)[:80]!r} is not a URL", field=field) from error


def check(url: httpx.URL, base: httpx.URL, field: str) -> None:
    """Refuse a request that would leave `base`.

    Args:
        url: Where the request would go.
        base: What the operator allowed.
        field: Where the task names `base`, for errors.

    Raises:
        InvalidRequestError: scheme, host or port differ; there is a user; the path is not below that
            of `base`, or a server may read it as if it were not.
    """
    try:
        leaves = _origin(url) != _origin(base)
        ours, theirs = folders_of(path_of(url)), folders_of(path_of(base))
        fault = "" if ours[: len(theirs)] == theirs else "its path is another"
    except ValueError as error:
        leaves, fault = True, str(error)
    if leaves or url.userinfo or fault:
        shown = f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}{path_of(url)}"[:200]
        reason = fault or ("it holds a user" if url.userinfo else "its host or port is another")
        raise InvalidRequestError(f"{shown} is not below {base}: {reason}", field=field)


def _quoted(part: Part, field: str) -> str:
    text = str(part)
    try:
        plain_part(text)
        return quote(text, safe=":")
    except ValueError as error:  # UnicodeEncodeError as well
        raise InvalidRequestError(f"can't be part of a path: {error}", field=field) from None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    host = canonical(url.raw_host.decode("ascii"))
    return url.scheme, host, url.port or PORTS.get(url.scheme)


def path_of(url: httpx.URL) -> str:
    """The path of `url` as it is sent, without the query."""
    return url.raw_path.partition(b"?")[0].decode("ascii")
