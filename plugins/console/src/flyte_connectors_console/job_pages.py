"""The page of one job, its events, its log, and its cancellation."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import shlex
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from flyte_connectors._dispatch.envelope import unseal
from flyte_connectors.client.cancelling import cancel_job
from flyte_connectors.errors import ConnectorError, InvalidRequestError, ServiceUnavailableError
from flyteidl2.connector import connector_pb2 as pb
from werkzeug.exceptions import BadRequest, Forbidden
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from flyte_connectors_console.log_lines import line_text, line_view, lines_from
from flyte_connectors_console.log_tail import Page
from flyte_connectors_console.place import KnownJob
from flyte_connectors_console.streams import stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine, Iterator

    from flyte_connectors.client.connector_client import ConnectorClient
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine
    from werkzeug.wrappers import Request

    from flyte_connectors_console.job_address import JobAddress
    from flyte_connectors_console.place import Place
    from flyte_connectors_console.watching import Watches

T = TypeVar("T")

_WAIT_SECONDS = 0.12  # for the state of a job that was not looked at before; the page comes anyway
_MOST_LINES = 2_000  # in one answer
_MOST_MATCHES = 200
_READ_SECONDS = 30.0
_CANCEL_SECONDS = 20.0
_MOST_READERS = 8  # downloads and searches at once
_MOST_FOLLOWERS = 256  # pages that are sent events; each has a thread


class Render(Protocol):
    """Makes a page of a template."""

    def __call__(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """The page."""
        ...


class JobPages:
    """The pages about single jobs.

    Args:
        place: Where the jobs are.
        watches: Those that pages show.
        render: Makes pages.
    """

    def __init__(self, place: Place, watches: Watches, render: Render) -> None:
        self._place = place
        self._watches = watches
        self._render = render
        self._readers = threading.BoundedSemaphore(_MOST_READERS)
        self._followers = threading.BoundedSemaphore(_MOST_FOLLOWERS)

    def job(self, request: Request, address: JobAddress) -> Response:
        """The page; its log and curves come by events."""
        envelope = _envelope_view(address)
        watch = self._watches.of(address)
        watch.first_answer.wait(_WAIT_SECONDS)
        known = self._place.known(address) or KnownJob(address)
        last = {"phase": known.phase, "message": known.message, "error": "", "ended": False}
        path, _, version = address.path.partition("?")
        host = urlsplit(f"//{request.host}").hostname or ""
        return self._render(
            request,
            "job.html",
            job=known,
            state=last | watch.state,  # which is empty before its connector's first answer
            envelope=envelope,
            path=path,
            version=version,
            command=known.logs_command or self._logs_command(address, host),
        )

    def events(self, request: Request, address: JobAddress) -> Response:
        """What changes, until the job has ended."""
        next_line = request.args.get("next", type=int)
        watch = self._watches.of(address)
        if not self._followers.acquire(blocking=False):
            message = f"{_MOST_FOLLOWERS} pages are open: close some, or try again later"
            raise ServiceUnavailableError(message)
        seat = contextlib.ExitStack()
        seat.callback(self._followers.release)
        chunks = stream(self._watches, watch, next_line, request.environ)
        response = Response(chunks, mimetype="text/event-stream")
        response.call_on_close(seat.close)  # also if nothing of it is sent; once, however often it is closed
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
        return response

    def log(self, request: Request, address: JobAddress) -> Response:
        """Lines from `from` on, at most `lines`; or the lines that hold the text `search`."""
        wanted = request.args.get("search", "")[:500]
        if wanted:
            with self._reader():
                matches, is_whole = self._run(self._search(address, wanted.lower()), _READ_SECONDS + 5)
            return _json({"matches": matches, "is_whole": is_whole})
        first = request.args.get("from", 0, type=int)
        number = min(request.args.get("lines", 500, type=int), _MOST_LINES)
        if first < 0 or number < 1:
            raise BadRequest("from and lines are numbers of lines")
        with self._reader():
            lines = self._run(self._lines(address, first, number), _READ_SECONDS)
        return _json({"first": first, "lines": [line_view(line) for line in lines]})

    def download(self, request: Request, address: JobAddress) -> Response:
        """The whole log as text."""
        del request
        response = Response(self._whole_log(address), mimetype="text/plain")
        name = "".join(char if char.isalnum() else "-" for char in address.task_type)[:50]
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.log"'
        return response

    def cancel(self, request: Request, address: JobAddress) -> Response:
        """Cancel the job, where the place allows it."""
        if not self._place.may_cancel:
            raise Forbidden("this console only shows jobs: cancel the task in Flyte")
        self._run(self._cancel(address), _CANCEL_SECONDS + 5)
        self._watches.forget(address)
        return redirect(request.script_root + address.path, 303, Response=Response)

    def _logs_command(self, address: JobAddress, host: str) -> str:
        endpoint = self._place.endpoint(host)
        name = address.path.removeprefix("/jobs/")
        words = ["flyte-connectors", "logs", *(["--endpoint", endpoint] if endpoint else []), name]
        return shlex.join(words)

    def _run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._place.loop)
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise ServiceUnavailableError(f"no answer within {seconds:g} s: try again") from None

    def _reader(self) -> _Seat:
        return _Seat(self._readers)

    async def _lines(self, address: JobAddress, first: int, number: int) -> list[LogLine]:
        watch = self._watches.of(address)
        start, kept = watch.log.since(first, watch.log.total)
        if start == first and (len(kept) >= number or watch.has_caught_up):
            return kept[:number]
        found: list[LogLine] = []
        async with self._place.client(address) as client:
            async for at, lines in lines_from(client, address, watch.log.page_of(first)):
                found += lines[max(first - at, 0) : max(first + number - at, 0)]
                if at + len(lines) >= first + number:
                    break
        return found

    async def _search(self, address: JobAddress, wanted: str) -> tuple[list[Any], bool]:
        """The first matches; and whether there are no others."""
        matches: list[Any] = []
        until = asyncio.get_running_loop().time() + _READ_SECONDS
        async with self._place.client(address) as client:
            async for at, lines in lines_from(client, address, Page(0, "")):
                matches += [
                    [at + offset, *line_view(line)]
                    for offset, line in enumerate(lines)
                    if wanted in line.message.lower()
                ]
                late = asyncio.get_running_loop().time() > until
                if len(matches) > _MOST_MATCHES or late:
                    return matches[:_MOST_MATCHES], False
        return matches, True

    def _whole_log(self, address: JobAddress) -> Iterator[bytes]:
        with self._reader():
            batches = self._batches(address)
            try:
                while (lines := self._run(_next(batches), _READ_SECONDS)) is not None:
                    yield "".join(map(line_text, lines)).encode()
            finally:
                with contextlib.suppress(ConnectorError):
                    self._run(batches.aclose(), 1)

    async def _batches(self, address: JobAddress) -> AsyncGenerator[list[LogLine], None]:
        async with self._place.client(address) as client:
            async for _, lines in lines_from(client, address, Page(0, "")):
                yield lines

    async def _cancel(self, address: JobAddress) -> None:
        request = pb.DeleteTaskRequest(resource_meta=address.meta, task_category=address.category)
        async with self._place.client(address) as client:
            await cancel_job(cast("ConnectorClient", client), request, _CANCEL_SECONDS)


class _Seat:
    """One of the readers of whole logs, of whom there are few.

    Raises:
        ServiceUnavailableError: all are busy.
    """

    def __init__(self, seats: threading.BoundedSemaphore) -> None:
        self._seats = seats

    def __enter__(self) -> None:
        if not self._seats.acquire(timeout=1):
            raise ServiceUnavailableError("too many logs are being read: try again")

    def __exit__(self, *_: object) -> None:
        self._seats.release()


async def _next(batches: AsyncGenerator[list[LogLine], None]) -> list[LogLine] | None:
    return await anext(batches, None)


def _envelope_view(address: JobAddress) -> dict[str, Any]:
    """What the sealed meta says besides the connector's own part.

    Raises:
        ConnectorError: it is not a meta of this task type.
    """
    try:
        envelope = unseal(address.meta, address.task_type)
    except InvalidRequestError as error:
        raise ConnectorError(f"this is not a job of task type '{address.task_type}': {error.message}") from error
    try:
        handle = json.loads(envelope.meta)
    except ValueError:
        handle = {}
    fields = handle.items() if isinstance(handle, dict) else ()
    return {
        "key": envelope.key,
        "secrets": sorted(envelope.secrets.values()),
        "handle": [(str(name), str(value)[:500]) for name, value in fields if value],
    }


def _json(data: Any) -> Response:
    return Response(json.dumps(data), mimetype="application/json")
