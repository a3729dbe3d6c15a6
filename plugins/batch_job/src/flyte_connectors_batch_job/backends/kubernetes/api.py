"""Requests to the API server, from any thread, and what its refusals mean.

The HTTP client of the core is asynchronous and back ends are not, so requests are made in one event loop, in a
separate thread, and callers wait for them.

Reference: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyte_connectors.http import Client, Limits, bearer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from flyte_connectors.http import Reply
    from flyte_connectors_kubernetes.api_server import Access

_T = TypeVar("_T")

CALL_SECONDS = 15.0
PAGE_ITEMS = 200
"""Objects in one page of a list; each may hold 256 KiB of annotations."""

_LIMITS = Limits(reply_seconds=CALL_SECONDS, reply_bytes=128 * 1024**2)
_FORBIDDEN, _NOT_FOUND, _GONE, _UNAUTHORIZED = 403, 404, 410, 401


class ExpiredError(Exception):
    """The resource version, or the list that was begun, is too old: list again."""


class Api:
    """The API of one namespace.

    Args:
        access: The API server.
        namespace: The namespace.
    """

    def __init__(self, access: Access, namespace: str) -> None:
        self._access = access
        self.namespace = namespace

    def path(self, plural: str, *parts: str) -> tuple[str, ...]:
        """The path of a resource of the namespace, such as `jobs`, or of one of its objects."""
        group = ("apis", "batch", "v1") if plural == "jobs" else ("api", "v1")
        return (*group, "namespaces", self.namespace, plural, *parts)

    async def request(
        self,
        method: str,
        plural: str,
        *parts: str,
        accept: frozenset[int] = frozenset(),
        **options: Any,
    ) -> Reply:
        """Send a request; see `flyte_connectors.http.Client.request`.

        Args:
            method: The method.
            plural: Kind of resource.
            parts: Name and subresource.
            accept: Statuses, besides those of success, that the caller understands.
            options: Of the request.

        Raises:
            ConnectorError: what the status means.
        """
        path = self.path(plural, *parts)
        reply = await self._client().request(method, *path, check=False, **options)
        if not reply.is_success and reply.status not in accept:
            raise self._error(reply)
        return reply

    async def merge(self, plural: str, name: str, patch: Mapping[str, Any], **options: Any) -> Reply:
        """Change an object by a merge patch (RFC 7396), which may be sent twice."""
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self.request("PATCH", plural, name, body=patch, headers=headers, repeatable=True, **options)

    async def pages(self, plural: str, selector: str) -> AsyncIterator[dict[str, Any]]:
        """The objects that a label selector chooses, page by page, as lists of the API.

        Raises:
            ExpiredError: it took too long.
        """
        query: dict[str, Any] = {"labelSelector": selector, "limit": PAGE_ITEMS}
        while True:
            reply = await self.request("GET", plural, query=query, accept=frozenset({_GONE}))
            if reply.status == _GONE:
                raise ExpiredError
            page = reply.json_object(items=list, metadata=dict)
            yield page
            if not page["metadata"].get("continue"):
                return
            query["continue"] = page["metadata"]["continue"]

    async def watch(
        self,
        plural: str,
        selector: str,
        version: str,
        seconds: int,
        write: Callable[[bytes], object],
    ) -> None:
        """Pass on the changes since a resource version, as lines of JSON, until the server ends that.

        Raises:
            ExpiredError: the version is too old.
        """
        query = {
            "watch": "true",
            "labelSelector": selector,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
        }
        # Silence is no fault here: nothing changes in a cluster at rest.
        limits = Limits(reply_seconds=seconds + CALL_SECONDS, reply_bytes=2**40, stays_open=True)
        client = self._client(limits)
        await self._stream(client, self.path(plural), query, write)

    async def log(self, pod: str, query: Mapping[str, Any], write: Callable[[bytes], object]) -> bool:
        """Pass on a part of a container's log. Returns whether there is one."""
        limits = Limits(reply_seconds=CALL_SECONDS, reply_bytes=2**32)
        client = self._client(limits, headers={"Accept": "*/*"})
        reply = await self._stream(client, self.path("pods", pod, "log"), query, write, accept=frozenset({400, 404}))
        return reply.is_success

    async def _stream(
        self,
        client: Client,
        path: tuple[str, ...],
        query: Mapping[str, Any],
        write: Callable[[bytes], object],
        accept: frozenset[int] = frozenset(),
    ) -> Reply:
        url = "/".join([client.base, *(quote(part, safe="") for part in path)])
        reply = await client.download(f"{url}?{urlencode(query)}", write)
        if reply.status == _GONE:
            raise ExpiredError
        if not reply.is_success and reply.status not in accept:
            raise self._error(reply)
        return reply

    def _client(self, limits: Limits = _LIMITS, headers: Mapping[str, str] | None = None) -> Client:
        token = self._access.token()
        auth = bearer(token, field=self._access.name) if token else None
        return Client(
            self._access.server,
            field=self._access.name,
            auth=auth,
            headers=headers,
            trusted=True,
            limits=limits,
            tls=self._access.tls,
        )

    def _error(self, reply: Reply) -> ConnectorError:
        """What a refusal means; the API says why in a `Status` object."""
        said, here = _said(reply), f"namespace '{self.namespace}'"
        if reply.status == _FORBIDDEN and "exceeded quota" in said:
            return RateLimitedError(f"the quota of {here} is used up: {said}")
        if reply.status == _FORBIDDEN:
            return PermissionDeniedError(f"Kubernetes refuses in {here}: {said}")
        if reply.status == _UNAUTHORIZED:
            text = f"Kubernetes refuses the credentials of {self._access.name}"
            return AuthenticationError(f"{text}: they are missing, invalid or expired")
        if reply.status == _NOT_FOUND and said == f'namespaces "{self.namespace}" not found':
            text = f"there is no {here} in the cluster"
            return ServiceUnavailableError(text, outcome_unknown=False)
        return reply.error()


def _said(reply: Reply) -> str:
    try:
        return str(reply.json_object(message=str)["message"])[:500]
    except ConnectorError:
        return f"status {reply.status}"


class Loop:
    """An event loop in a separate thread, for all callers of a process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="kubernetes", daemon=True)
        thread.start()

    def run(self, work: Coroutine[Any, Any, _T], seconds: float = 2 * CALL_SECONDS) -> _T:
        """The result of `work`, which runs in the loop.

        Raises:
            ServiceUnavailableError: it took longer than `seconds`.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds)
        except FutureTimeoutError:
            if future.cancel():
                message = f"Kubernetes gave no answer within {seconds:g} s"
                raise ServiceUnavailableError(message) from None
            raise

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let `work` run in the loop, with nothing of the caller's context: it outlives the call."""

        def begin() -> None:
            task = self._loop.create_task(work())
            _running.add(task)
            task.add_done_callback(_running.discard)

        self._loop.call_soon_threadsafe(begin, context=contextvars.Context())


_running: set[asyncio.Task[None]] = set()
_loops: dict[int, Loop] = {}
_lock = threading.Lock()


def loop() -> Loop:
    """The loop of this process; a forked child has no thread of its parent's."""
    with _lock:
        if os.getpid() not in _loops:
            _loops.clear()
            _loops[os.getpid()] = Loop()
        return _loops[os.getpid()]
