"""Open jobs: each is read once, however many pages show it, and only while one does.

Connectors are asked on the event loop of the place, as Flyte's own requests are; pages run in threads. A `Watch` is
what the two share.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from flyte_connectors.client.log_following import follow_logs
from flyte_connectors.connector import TERMINAL_PHASES
from flyte_connectors.errors import (
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    ServiceUnavailableError,
    UnsupportedVerbError,
)
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from flyte_connectors_console.curves import Curves
from flyte_connectors_console.fan_out import FanOut
from flyte_connectors_console.log_tail import LogTail
from flyte_connectors_console.resource_view import resource_view
from flyte_connectors_console.turns import Turns

if TYPE_CHECKING:
    from flyte_connectors_console.fan_out import Page
    from flyte_connectors_console.job_address import JobAddress
    from flyte_connectors_console.place import Client, Place

logger = logging.getLogger(__name__)

MOST_JOBS = 200
KEPT_SECONDS = 30.0  # after its last page was closed

_LOG_PAUSE = 0.35  # seconds between two reads for new lines: on the screen within half a second
_FEW_LINES = 20  # that are read without pause if there were more: the log may have more still
_STATE_PAUSE, _LONGEST_STATE_PAUSE = 1.0, 10.0
_CURVES_PAUSE = 2.0
_CALL_SECONDS = 20.0
_TELL_PAUSE = 0.2  # seconds between two times that the pages are notified


class Watch:
    """What is known about one open job.

    Attributes:
        address: The job.
        state: What its connector last reported, for the page; empty before its first answer.
        log: Its log, as far as it has been read.
        log_note: Why there is no log, or what it waits for.
        curves: Its metrics.
        versions: Numbers that grow with each change of the state, the log and the curves.
        has_caught_up: Whether the log has been read to its present end once.
        is_over: Whether the job has ended, and all of it has been read.
    """

    def __init__(self, address: JobAddress, pace: Watches) -> None:
        self.address = address
        self.state: dict[str, Any] = {}
        self.log = LogTail()
        self.log_note = ""
        self.curves = Curves()
        self.versions = {"state": 0, "log": 0, "curves": 0}
        self.has_caught_up = False
        self.is_over = False
        self.lock = threading.Lock()
        self.first_answer = threading.Event()
        self.left_at = time.monotonic()
        self.task: asyncio.Future[None] | None = None
        self._pace = pace
        self._pages: set[Page] = set()
        self._ended = asyncio.Event()
        self._is_telling = False
        self._told_at = 0.0
        self._encoded: dict[str, tuple[Any, bytes]] = {}
        self._log_pause = 0.0  # before its next page is read

    @contextlib.contextmanager
    def shown_by(self, page: Page) -> Iterator[None]:
        """Notify a page of each change."""
        with self.lock:
            self._pages.add(page)
        try:
            yield
        finally:
            with self.lock:
                self._pages.discard(page)
                self.left_at = time.monotonic()

    def pages(self) -> list[Page]:
        """Those that show it."""
        with self.lock:
            return list(self._pages)

    @property
    def listeners(self) -> int:
        """How many pages show it."""
        return len(self._pages)

    def encoded(self, name: str, key: Any, encode: Callable[[], bytes]) -> bytes:
        """What `encode` returns, kept for the other listeners, who send the same."""
        known = self._encoded.get(name)
        if known is None or known[0] != key:
            known = self._encoded[name] = (key, encode())
        return known[1]

    async def run(self, place: Place) -> None:
        """Read the job until it has ended and all of it has been read."""
        self._ending = asyncio.ensure_future(self._ended.wait())
        try:
            async with place.client(self.address) as client:
                await asyncio.gather(self._read_state(client), self._read_log(client), self._read_curves(client))
        except ConnectorError as error:
            self._set_state({**self.state, "error": error.message})
        except Exception:
            logger.exception("the console could not read a job of %s", self.address.task_type)
            self._set_state({**self.state, "error": "failed; see the log of the console's process"})
        finally:
            self._ending.cancel()
        self.has_caught_up = self.is_over = True
        self._changed("state")

    async def _read_state(self, client: Client) -> None:
        request = pb.GetTaskRequest(resource_meta=self.address.meta, task_category=self.address.category)
        pause = _STATE_PAUSE
        try:
            while True:
                try:
                    reply = await client.get(request, _CALL_SECONDS)
                except JobNotFoundError as error:
                    self._set_state({**self.state, "error": error.message, "ended": True})
                    return
                except (InvalidRequestError, UnsupportedVerbError) as error:
                    self._set_state({**self.state, "error": error.message})
                    return
                except ConnectorError as error:
                    pause = min(2 * pause, _LONGEST_STATE_PAUSE)
                    again = f"{error.message}; trying again in {pause:.0f} s"
                    self._set_state({**self.state, "error": again})
                else:
                    pause = _STATE_PAUSE
                    self._set_state(resource_view(reply.resource))
                    if reply.resource.phase in TERMINAL_PHASES:
                        return
                await self._pause(pause)
        finally:
            self._ended.set()

    async def _read_log(self, client: Client) -> None:
        request = pb.GetTaskLogsRequest(resource_meta=self.address.meta, task_category=self.address.category)

        def emit(line: LogLine) -> None:
            self.log.add(line, request.token)

        def waiting(error: ConnectorError, seconds: float) -> None:
            del seconds
            self.has_caught_up = True
            self._note(f"the log can't be read now: {error.message}; trying again")

        try:
            await follow_logs(
                partial(self._read_page, client),
                request,
                emit,
                self._ended,
                longest_poll=_LOG_PAUSE,
                waiting=waiting,
            )
        except UnsupportedVerbError:
            self._note("This connector offers no log.")
        except ConnectorError as error:
            self._note(f"the log can't be read: {error.message}")
        self.has_caught_up = True
        self._changed("log")

    async def _read_page(self, client: Client, request: pb.GetTaskLogsRequest) -> AsyncIterator[Any]:
        if self.has_caught_up:
            await self._pause(self._log_pause)
        before, token = self.log.total, ""
        async for item in client.get_logs(request):
            yield item
            token = token if isinstance(item, LogLine) else item.header.token or token
        lines = self.log.total - before
        self._log_pause = _LOG_PAUSE if 0 < lines < _FEW_LINES else 0.0  # after none, `follow_logs` waits
        if self.log_note:
            self.log_note = ""
            self._changed("state")
        if not self.has_caught_up and not (lines and token):
            self.has_caught_up = True
            self._changed("log")
        elif lines and self.has_caught_up:
            self._changed("log")

    async def _read_curves(self, client: Client) -> None:
        request = pb.GetTaskMetricsRequest(resource_meta=self.address.meta, task_category=self.address.category)
        while True:
            has_ended = self._ended.is_set()
            try:
                if self.curves.take(await client.get_metrics(request, _CALL_SECONDS)):
                    self._changed("curves")
            except (UnsupportedVerbError, InvalidRequestError):
                return
            except ConnectorError as error:
                logger.debug("no metrics of a job of %s: %s", self.address.task_type, error)
            if has_ended:
                return
            await self._pause(_CURVES_PAUSE)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the job has ended; and then for a turn."""
        if seconds and not self._ended.is_set():
            await asyncio.wait((self._ending,), timeout=seconds)
        await self._pace.turns.next()

    def _note(self, text: str) -> None:
        if text != self.log_note:
            self.log_note = text
            self._changed("state")

    def _set_state(self, state: dict[str, Any]) -> None:
        if state != self.state:
            self.state = state
            self._changed("state")
        self.first_answer.set()

    def _changed(self, what: str) -> None:
        self.versions[what] += 1
        if not self._is_telling:
            self._is_telling = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(self._told_at + _TELL_PAUSE, loop.time()), self._tell)

    def _tell(self) -> None:
        self._is_telling = False
        self._told_at = asyncio.get_running_loop().time()
        self._pace.fan_out.notify(self)


class Watches:
    """The open jobs.

    Args:
        place: Where their clients are.

    Attributes:
        fan_out: Sends their pages what is new.
        turns: When the next of them may be read.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._watches: dict[JobAddress, Watch] = {}
        self.fan_out = FanOut()
        self.turns = Turns()

    def of(self, address: JobAddress) -> Watch:
        """The watch of a job, from a thread; it begins with the first page.

        Raises:
            ServiceUnavailableError: too many jobs are open.
        """
        with self._lock:
            self._forget_idle()
            watch = self._watches.get(address)
            if watch is None:
                if len(self._watches) >= MOST_JOBS:
                    message = f"the pages of {MOST_JOBS} jobs are open: close some, or try again later"
                    raise ServiceUnavailableError(message)
                watch = self._watches[address] = Watch(address, self)
                loop = self._place.loop
                future = asyncio.run_coroutine_threadsafe(watch.run(self._place), loop)
                watch.task = future  # type: ignore[assignment]  # a future of another kind
            watch.left_at = time.monotonic()
            return watch

    def forget(self, address: JobAddress) -> None:
        """Read a job anew for the next page, as after it was cancelled."""
        with self._lock:
            watch = self._watches.pop(address, None)
        if watch is not None and watch.task is not None:
            watch.task.cancel()

    def forget_idle(self) -> None:
        """Stop to read the jobs that no page shows."""
        with self._lock:
            self._forget_idle()

    def _forget_idle(self) -> None:
        before = time.monotonic() - KEPT_SECONDS
        idle = [w for w in self._watches.values() if not w.listeners and w.left_at < before]
        for watch in idle:
            del self._watches[watch.address]
            if watch.task is not None:
                watch.task.cancel()
