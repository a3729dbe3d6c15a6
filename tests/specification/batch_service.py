"""A batch service with accounts, over real HTTP: what the connector of a page is a client of."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator, Mapping

import httpx


@contextlib.contextmanager
def batch_service(accounts: Mapping[str, str]) -> Iterator[str]:
    """A service on a free port; its URL.

    Args:
        accounts: User by API key. A user sees only their own jobs.
    """
    jobs: dict[str, tuple[str, str]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            user = self._user()
            if user is None:
                return self._answer(401, "no such key")
            name = self.rfile.read(int(self.headers["Content-Length"])).decode()
            job_id = f"job-{len(jobs)}"
            jobs[job_id] = (user, name)
            return self._answer(201, job_id)

        def do_GET(self) -> None:
            owner, name = jobs[self.path.strip("/")]
            if self._user() != owner:
                return self._answer(403, "another user's job")
            return self._answer(200, f"{name} for {owner}")

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

        def _user(self) -> str | None:
            return accounts.get(self.headers.get("X-Api-Key", ""))

        def _answer(self, status: int, value: str) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def submit(url: str, api_key: str | None, name: str) -> str:
    """Start a job; its id. Raises httpx.HTTPStatusError where the key is refused."""
    async with httpx.AsyncClient(verify=False) as client:  # plain HTTP: no certificates to load
        reply = await client.post(url, content=name, headers={"X-Api-Key": api_key or ""})
        return str(reply.raise_for_status().json())


async def fetch(url: str, api_key: str | None, job_id: str) -> str:
    """A job's result. Raises httpx.HTTPStatusError where the job is another user's."""
    async with httpx.AsyncClient(verify=False) as client:  # plain HTTP: no certificates to load
        reply = await client.get(f"{url}/{job_id}", headers={"X-Api-Key": api_key or ""})
        return str(reply.raise_for_status().json())
