"""Listeners on every address of the namespace: one is the vendor, all others must never be asked."""

from __future__ import annotations

import asyncio
import json
import posixpath
import urllib.parse
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VENDOR, VENDOR_NAME, VENDOR_PORT = "198.51.100.10", "train.example.invalid", 8000
BASE = f"http://{VENDOR_NAME}:{VENDOR_PORT}/v1"
PORTS = (80, 443, VENDOR_PORT, 8080)
BODY = "what-only-a-spy-says"


@dataclass
class Visit:
    """A connection, and the head of the request on it, if one came."""

    address: str
    port: int
    head: str = ""

    @property
    def target(self) -> str:
        """What the request asks for."""
        words = self.head.split(" ", 2)
        return words[1] if len(words) > 2 else ""

    def is_below_base(self, *, quoted: bool = False) -> bool:
        """Whether it went to the vendor, and to what the operator allows there.

        Args:
            quoted: Whether what was sent is to be one segment of the path, its slashes encoded; else a
                server may decode them.
        """
        if (self.address, self.port) != (VENDOR, VENDOR_PORT) or not self._is_named:
            return False
        path = self.target.partition("?")[0]
        if quoted:
            path = path.replace("%2e", ".").replace("%2E", ".")
        else:
            before = ""
            while path != before:
                before, path = path, urllib.parse.unquote(path)
        plain = posixpath.normpath(path.replace("\\", "/").replace(";", "/"))
        return plain == "/v1" or plain.startswith("/v1/")

    @property
    def _is_named(self) -> bool:
        """Whether the request names the vendor as the operator does."""
        hosts = [
            line.partition(":")[2].strip().lower()
            for line in self.head.split("\r\n")
            if line.lower().startswith("host:")
        ]
        return [host.replace(".:", ":") for host in hosts] == [f"{VENDOR_NAME}:{VENDOR_PORT}"]


@dataclass
class Spies:
    """The listeners, and what they saw.

    Attributes:
        job_id: What the vendor answers as a job's id; its own choice if empty.
        redirect: Where the vendor sends everybody; nowhere if empty.
        status: With which status it does.
        visits: Since the last `obey`; `vendor_visits` are those before that went where they may.
    """

    job_id: str = ""
    redirect: str = ""
    status: int = 302
    visits: list[Visit] = field(default_factory=list)
    vendor_visits: int = 0

    def obey(self, job_id: str, redirect: str, status: int) -> None:
        """Forget the visits, and behave like this from now on."""
        self.vendor_visits += sum(visit.is_below_base() for visit in self.visits)
        self.visits.clear()
        self.job_id, self.redirect, self.status = job_id, redirect, status

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs."""
        servers = [await asyncio.start_server(self._serve, None, port) for port in PORTS]
        try:
            yield
        finally:
            for server in servers:
                server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port = writer.get_extra_info("sockname")[:2]
        visit = Visit(address.removeprefix("::ffff:"), port)
        self.visits.append(visit)
        with suppress(Exception):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2)
            visit.head = head.decode("latin-1")
            writer.write(self._answer(visit))
            await writer.drain()
        writer.close()

    def _answer(self, visit: Visit) -> bytes:
        method = visit.head.partition(" ")[0]
        status, location = 200, ""
        if visit.is_below_base() and self.redirect:
            status, location = self.status, f"Location: {self.redirect}\r\n"
        content = json.dumps(self._job(method, visit)).encode()
        return (
            f"HTTP/1.1 {status} Said\r\n{location}Content-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        ).encode("latin-1", errors="replace") + content

    def _job(self, method: str, visit: Visit) -> dict[str, Any]:
        text = "" if visit.is_below_base(quoted=True) else BODY
        if visit.target.endswith("/usage"):
            return {"cpu_seconds": 1.5}
        job: dict[str, Any] = {"job_id": self.job_id or "job-1", "status": "running"}
        job |= {"message": text, "lines": [text], "next_offset": 1, "complete": False}
        job |= {"epochs": [{"loss": 1.0}], "state": "RUNNING", "outputs": None, "logs": text}
        job |= {"error": text, "submission_id": "job-1", "is_complete": True}
        return job if method != "POST" else job | {"message": text}
