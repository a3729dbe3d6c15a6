"""Files at web addresses, with the standard library. They can be read, and asked whether they exist."""

from __future__ import annotations

import contextlib
import shutil
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib import error, request
from urllib.parse import urlsplit, urlunsplit

from flyte_connectors.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

_CHUNK_BYTES = 8 * 1024 * 1024
_TIMEOUT = 30.0  # seconds without an answer
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_EMPTY = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
"""Status of a server for a request for the first byte of an empty file."""


def read_bytes(uri: str) -> bytes:
    """Return all bytes at a web address.

    Raises:
        FileNotFoundError: Nothing is there.
        StorageError: The server refuses, can't be reached, or breaks off.
    """
    with _asked(uri, "GET") as answer:
        return bytes(answer.read())


def download(uri: str, file: IO[bytes]) -> None:
    """Copy a file into a local one, piece by piece. Raises as ``read_bytes`` does."""
    with _asked(uri, "GET") as answer:
        shutil.copyfileobj(answer, file, _CHUNK_BYTES)
        if answer.length:  # read in pieces, an answer that breaks off just ends
            raise StorageError(f"{shown(uri)} broke off, {answer.length} bytes before its end")


def exists(uri: str) -> bool:
    """Return whether something is at a web address.

    Asked by HEAD; a server that refuses that, as those of signed addresses do, is asked for the first byte.

    Raises:
        StorageError: The server refuses both or can't be reached.
    """
    for method, headers in (("HEAD", {}), ("GET", {"Range": "bytes=0-0"})):
        try:
            with _asked(uri, method, headers):
                return True
        except FileNotFoundError:
            return False
        except StorageError as refusal:
            answered = getattr(refusal.__cause__, "code", None)
            if method == "GET" and answered == _EMPTY:
                return True
            if method == "GET" or answered is None:
                raise
    raise AssertionError


@contextlib.contextmanager
def _asked(uri: str, method: str, headers: Mapping[str, str] | None = None) -> Iterator[Any]:
    """The answer to a request, read from like a file."""
    try:
        asked = request.Request(uri, headers=dict(headers or {}), method=method)  # noqa: S310  (http or https)
        with request.urlopen(asked, timeout=_TIMEOUT) as answer:  # noqa: S310
            yield answer
    except error.HTTPError as fault:
        fault.close()
        if fault.code in _GONE:
            raise FileNotFoundError(f"{shown(uri)} does not exist") from None
        text = f"{shown(uri)}: the server answered {fault.code} {fault.reason}"
        raise StorageError(text) from fault
    except StorageError:
        raise
    except (OSError, ValueError, HTTPException) as fault:
        reason = getattr(fault, "reason", fault)
        raise StorageError(f"{shown(uri)} can't be read: {reason}") from fault


def shown(uri: str) -> str:
    """A web address without what may be secret in it: user, password and query."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
