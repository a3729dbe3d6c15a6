"""A small HTTP client for the service's HTTP side."""

from __future__ import annotations

import asyncio
import http.client
from typing import NamedTuple


class Answer(NamedTuple):
    """Status, body and content type."""

    status: int
    body: str
    content_type: str


async def fetch(address: str, path: str) -> Answer:
    """What `address` answers to GET `path`."""
    return await asyncio.to_thread(_fetch, address, path)


def _fetch(address: str, path: str) -> Answer:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode()
        return Answer(response.status, body, response.headers["Content-Type"])
    finally:
        connection.close()
