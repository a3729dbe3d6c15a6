"""Files at web addresses, with the standard library."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from flyte_connectors_batch_job.wrapper.copying import PIECE_BYTES, note_type
from flyte_connectors_batch_job.wrapper.faults import TransferError
from flyte_connectors_batch_job.wrapper.uris import shown

if TYPE_CHECKING:
    from flyte_connectors_batch_job.wrapper.copying import Allowance

_WEB_SECONDS = 60.0
_NOT_FOUND = (404, 410)
_SERVER_ERROR = 500


def read(uri: str, target: BinaryIO, allowance: Allowance) -> None:
    """Copy a file into an open one. Raises FileNotFoundError, or TransferError."""
    name = shown(uri)
    try:
        with urllib.request.urlopen(_request(uri), timeout=_WEB_SECONDS) as answer:  # noqa: S310
            allowance.check(answer.length or 0)
            note_type(target, answer.headers.get_content_type())
            while piece := answer.read(PIECE_BYTES):
                allowance.take(len(piece))
                target.write(piece)
            if answer.length:  # read in pieces, an answer that breaks off just ends
                missing = f"{name} broke off, {answer.length} bytes before its end"
                raise TransferError(missing, may_retry=True)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _NOT_FOUND:
            raise FileNotFoundError(name) from error
        answered = f"{name}: the server answered {error.code} {error.reason}"
        raise TransferError(answered, may_retry=error.code >= _SERVER_ERROR) from error
    except (urllib.error.URLError, HTTPException, ValueError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise TransferError(f"{name} can't be read: {reason}", may_retry=True) from error


def _request(uri: str) -> urllib.request.Request:
    """A request for a web address, whose user and password become a header."""
    parts = urlsplit(uri)
    user, separator, place = parts.netloc.rpartition("@")
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    request = urllib.request.Request(urlunsplit((parts.scheme, place, path, parts.query, "")))  # noqa: S310
    if separator:
        token = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request
