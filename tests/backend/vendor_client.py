"""The vendor's own client library, so to speak: what both connectors and the harness call it with.

It has no retries and no time limit, as most such libraries have none by default: what becomes of a
fault is up to whoever hosts the connector.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit


class VendorError(Exception):
    """The vendor refused a call.

    Attributes:
        status: HTTP status code.
    """

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"HTTP {status}: {body}")
        self.status = status


async def call(method: str, url: str, body: dict[str, Any] | None = None, *, token: str | None = "") -> Any:
    """Call the vendor; the decoded JSON of its reply.

    Raises:
        VendorError: It answered with a status of 400 or above.
        OSError: No connection, or no whole answer (`ConnectionResetError`).
    """
    parts = urlsplit(url)
    content = json.dumps(body or {}).encode()
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(
            f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: Bearer {token}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        reply = await reader.read()
    finally:
        writer.close()
    head, _, text = reply.partition(b"\r\n\r\n")
    if not head:
        message = "the vendor closed the connection without an answer"
        raise ConnectionResetError(message)
    status = int(head.split(b" ", 2)[1])
    if status >= 400:
        raise VendorError(status, text.decode())
    return json.loads(text)
