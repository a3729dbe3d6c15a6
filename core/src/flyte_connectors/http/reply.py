"""The answer to a request, read within its limits."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

import httpcore
import httpx

from flyte_connectors.errors import ConnectorError, NotJsonError
from flyte_connectors.http.statuses import error_of_status
from flyte_connectors.secrets import redact

_SHOWN_CHARACTERS = 300
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class _ReplyTooLargeError(Exception):
    """A reply has more bytes than its limit; the text says so, as the end of a sentence."""


class _EncodingError(Exception):
    """A reply is compressed in a way that was not asked for, or is damaged."""


@dataclass(frozen=True)
class Reply:
    """A reply of any status.

    Attributes:
        status: The status code.
        headers: The headers, by name in any case.
        content: The body, decompressed.
        where: Host and path that it came from, for messages.
    """

    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    where: str

    @property
    def text(self) -> str:
        """The body as UTF-8; what is not UTF-8 is replaced."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The body, decoded.

        Raises:
            NotJsonError: it is not JSON.
        """
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no type").partition(";")[0][:80]
            message = f"{self.where} answered {kind}, not JSON: is this the service's API?"
            raise NotJsonError(message) from error

    def json_object(self, *names: str, **types: Any) -> dict[str, Any]:
        """The body, decoded, where it has to be an object.

        Args:
            names: Members that it has to have, of any type.
            types: Types of other members, as `isinstance` takes them, or `list[str]` and the like. A
                member that may be None may be missing, and is None then.

        Raises:
            NotJsonError: it is not a JSON object, or a member is missing or of another type.
        """
        answer = self.json()
        if not isinstance(answer, dict):
            raise NotJsonError(f"{self.where} answered JSON that is not an object: is this the service's API?")
        if missing := [name for name in names if name not in answer]:
            message = f"{self.where} answered no {missing[0]!r}: is this the service's API?"
            raise NotJsonError(message)
        for name, expected in types.items():
            if not _fits(answer.setdefault(name, None), expected):
                kind = getattr(expected, "__name__", None) or str(expected)
                raise NotJsonError(f"{self.where} answered no {name!r} of type {kind}: is this the service's API?")
        return answer

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out (2xx)."""
        return 200 <= self.status < 300  # noqa: PLR2004

    def error(self) -> ConnectorError:
        """The error that the status means, with what the service says, masked and cut."""
        if 300 <= self.status < 400:  # noqa: PLR2004
            target = self.headers.get("location", "nowhere")
            text = f"redirects to {_host(target)}: name the final address as the endpoint"
        else:
            text = f"answered {self.status}{self._said()}"
        return error_of_status(self.status, f"{self.where} {text}", retry_after=self.headers.get("retry-after"))

    def _said(self) -> str:
        """The reason that the service gives, if it gives one in a usual way."""
        said = ""
        if self.headers.get("content-type", "").startswith("text/plain"):
            said = self.text
        else:
            try:
                said = _reason(json.loads(self.content))
            except (ValueError, RecursionError):
                return ""
        # Masked before it is cut: half a secret would not be known as one.
        said = " ".join(redact(said[: 100 * _SHOWN_CHARACTERS]).split())
        return f": {said[:_SHOWN_CHARACTERS]}" if said else ""


def _fits(value: Any, expected: Any) -> bool:
    if get_origin(expected) is list:
        (item,) = get_args(expected)
        return isinstance(value, list) and all(isinstance(each, item) for each in value)
    return isinstance(value, expected)


def _reason(body: Any) -> str:
    """Such as {"error": "why"}, {"error": {"message": "why"}} or {"errors": [{"detail": "why"}]}."""
    if isinstance(body, str):
        return body
    if isinstance(body, list) and body:
        return _reason(body[0])
    if isinstance(body, dict):
        for name in ("error", "message", "detail", "msg", "title", "errors"):
            if body.get(name) and (said := _reason(body[name])):
                return said
    return ""


def _host(target: str) -> str:
    try:
        return httpx.URL(target).host[:200] or "another path"
    except httpx.InvalidURL:
        return "what is not a URL"


async def chunks(response: httpcore.Response, limit: int) -> AsyncIterator[bytes]:
    """The body of `response`, decompressed; no more of it is ever in memory than `limit`.

    Args:
        response: Its body is not yet read.
        limit: Bytes, after decompression.

    Raises:
        _ReplyTooLargeError: there are more.
        _EncodingError: it is compressed in a way that was not asked for, or is damaged.
    """
    encoding = httpx.Headers(response.headers).get("content-encoding", "identity").lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise _EncodingError(f"answered in encoding {encoding[:40]!r}, which was not asked for")
    decoder = None if encoding in ("identity", "") else zlib.decompressobj(_GZIP_OR_ZLIB)
    room = limit
    async for raw in response.aiter_stream():
        try:
            data = decoder.decompress(raw, room + 1) if decoder else raw
        except zlib.error as error:
            raise _EncodingError("answered what can't be decompressed") from error
        room -= len(data)
        if room < 0:
            raise _ReplyTooLargeError(f"answered more than {limit} bytes")
        if data:
            yield data
