"""The transport `asgi`: the application on h2corn, in the event loop of the service.

h2corn reads certificates once. So a certificate that has changed is served by a second `Server` on a duplicate of
the listening socket; the first one answers the calls that it has, and sends GOAWAY to its clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import ServiceStartError, SettingsError
from flyte_connectors.service.adapter import ASYNC_SERVICE, FLYTE_1_ASYNC_SERVICE
from flyte_connectors.service.grpcio import interceptors
from flyte_connectors.service.settings import ServiceSettings, address_of, flag_of

from flyte_connectors_asgi.application import TO_BE_NOTIFIED, GrpcApplication
from flyte_connectors_asgi.messages import Budget
from flyte_connectors_asgi.mounted import ConnectorApplication

if TYPE_CHECKING:
    import grpc
    import h2corn  # pyright: ignore[reportMissingImports]  (Python 3.11)
    from flyte_connectors.service.calls import Calls
    from flyte_connectors.service.tls import CertificateFiles

logger = logging.getLogger(__name__)

_TO_STOP_ACCEPTING = 0.1  # seconds; h2corn fails if the socket is shut down while it accepts
_TICK = 0.02  # seconds between two looks
_LAST_SHARE, _LAST_SECONDS = 0.2, 1.0  # of the grace period: for the status of calls that it ends
_CERTIFICATES_EVERY = 1.0  # seconds between two looks at the files
_STREAM_WINDOW, _CONNECTION_WINDOW = 1024 * 1024, 8 * 1024 * 1024  # bytes
_MOST_HEADERS = 64 * 1024  # bytes
_STREAMS = 256  # calls of one connection at once
_SECONDS_FOR_HEADERS = 10.0
_SECONDS_FOR_HANDSHAKE = 2.5  # also what a connection that says nothing can delay a shutdown
_SECONDS_IDLE = 3600.0  # after which a connection without calls is closed
_LOGS = tuple(f"/{service}/GetTaskLogs" for service in (ASYNC_SERVICE, FLYTE_1_ASYNC_SERVICE))


class H2cornTransport:
    """See `flyte_connectors.service.transport.Transport`.

    Raises:
        SettingsError: h2corn is not installed, or the token file can't be read.
    """

    application_type = ConnectorApplication
    """What `flyte_connectors.service.asgi` exports."""

    def __init__(self, settings: ServiceSettings, calls: Calls, *, shared_port: bool) -> None:
        del calls  # the application knows those that wait
        try:
            import h2corn  # noqa: F401  # pyright: ignore[reportMissingImports]  (not on Python 3.10)
        except ImportError:
            text = "asgi needs h2corn, for Python 3.11 and later: pip install flyte-connectors[fast], or use grpcio"
            raise SettingsError(text, field=flag_of("transport")) from None
        self._settings = settings
        self._shared_port = shared_port
        self._handlers: Sequence[grpc.GenericRpcHandler] = ()
        self._interceptors = interceptors(settings)
        self._budget: Budget | None = None
        self._listening: socket.socket | None = None
        self._running: set[_Running] = set()
        self._current: _Running | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def start(self, handlers: Sequence[grpc.GenericRpcHandler]) -> int:
        """Listen; see `Transport`."""
        settings = self._settings
        self._handlers = handlers
        files = None
        if settings.tls_cert is not None:
            from flyte_connectors.service.tls import CertificateFiles  # only with a certificate

            files = CertificateFiles(settings)
            files.read()
        self._listening = _listen(settings, shared=self._shared_port)
        port: int = self._listening.getsockname()[1]
        await self._serve(self._listening)
        if files is not None:
            self._renewing = asyncio.ensure_future(self._renew(files))
        return port

    async def stop(self, grace: float) -> None:
        """Shut down gracefully; see `Transport`."""
        if self._renewing is not None:
            self._renewing.cancel()
        try:
            await self._stop(grace)
        except asyncio.CancelledError:
            await asyncio.gather(*(running.end(_LAST_SECONDS) for running in self._running))
            raise

    async def _stop(self, grace: float) -> None:
        if self._current is not None:
            await asyncio.sleep(min(TO_BE_NOTIFIED, grace))
        grace = max(grace - TO_BE_NOTIFIED, 0.0)
        stopping = [asyncio.ensure_future(running.stop(grace)) for running in self._running]
        await asyncio.sleep(min(_TO_STOP_ACCEPTING, grace))
        if self._listening is not None:
            # h2corn keeps its duplicate open: clients that connect now would wait instead of trying another replica.
            with contextlib.suppress(OSError):  # not on this system
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
        await asyncio.gather(*stopping)

    async def _serve(self, listening: socket.socket) -> None:
        application = GrpcApplication(
            self._handlers,
            largest=self._settings.max_message_bytes,
            interceptors=self._interceptors,
            budget=self._budget,
        )
        self._budget = application.budget
        running = _Running(application, _config(self._settings, listening.fileno()))
        await running.start()
        self._running.add(running)
        running.task.add_done_callback(lambda _: self._running.discard(running))
        self._current = running

    async def _renew(self, files: CertificateFiles) -> None:
        """Serve new certificates when their files have changed."""
        assert self._listening is not None
        leaving: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(_CERTIFICATES_EVERY)
            if not files.changed():
                continue
            old = self._current
            try:
                with self._listening.dup() as copy:
                    await self._serve(copy)
            except Exception as error:  # changed once more while h2corn read them
                logger.warning("keeping the old certificate: %s", error)
                continue
            if old is not None:
                task = asyncio.ensure_future(old.stop(self._settings.grace))
                leaving.add(task)
                task.add_done_callback(leaving.discard)


class _Running:
    """One server of h2corn, and the application with the calls that came by it."""

    task: asyncio.Task[None]

    def __init__(self, application: GrpcApplication, config: h2corn.Config) -> None:
        from h2corn import Server  # pyright: ignore[reportMissingImports]

        self._application = application
        self._server = Server(application, config)

    async def start(self) -> None:
        """Return when it listens."""
        self.task = asyncio.ensure_future(self._server.serve())
        self.task.add_done_callback(_log_failure)
        try:
            await self._server.wait_started()
        except BaseException:
            self._server.shutdown()
            with contextlib.suppress(Exception):
                await self.task
            raise

    async def stop(self, grace: float) -> None:
        """Refuse new calls, which clients send elsewhere by themselves, and answer those received."""
        loop = asyncio.get_running_loop()
        self._server.shutdown()
        last = loop.time() + grace - min(_LAST_SECONDS, grace * _LAST_SHARE)
        while not self.task.done() and loop.time() < last:
            self._application.end_watches()
            await asyncio.wait({self.task}, timeout=_TICK)
        await self.end(min(_LAST_SECONDS, grace * _LAST_SHARE))

    async def end(self, seconds: float) -> None:
        """End the calls that still run, each with a status."""
        self._server.shutdown()
        self._application.end_calls()
        await asyncio.wait({self.task}, timeout=seconds)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("h2corn ended with an error: %s", error)


def _listen(settings: ServiceSettings, *, shared: bool) -> socket.socket:
    host, port = settings.host, settings.port
    both = host == "::" and socket.has_dualstack_ipv6()
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024, reuse_port=shared, dualstack_ipv6=both)
    except OSError as error:
        is_taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        reason = "the port is in use or not allowed" if is_taken else error.strerror
        text = f"can't listen on {address_of(host, port)}: {reason}"
        raise ServiceStartError(text) from error


def _config(settings: ServiceSettings, listening: int) -> h2corn.Config:
    import h2corn  # pyright: ignore[reportMissingImports]  (Python 3.11)

    configuration: Any = h2corn.Config  # its options are known at run time only
    policy: Any = h2corn.RequestPolicy
    tls: dict[str, Any] = {}
    if settings.tls_cert is not None:
        tls = {"certfile": settings.tls_cert, "keyfile": settings.tls_key}
    if settings.tls_client_ca is not None:
        tls |= {"ca_certs": settings.tls_client_ca, "cert_reqs": "required"}
    # A log may be read slowly; other answers fit the client's window.
    slow_readers = tuple(
        policy(
            path=path,
            max_request_body_size=0,
            timeout_request_body_idle=0,
            h2_timeout_response_stall=0,
        )
        for path in _LOGS
    )
    config: h2corn.Config = configuration(
        bind=(f"fd://{listening}",),
        grpc=True,
        http1=False,
        lifespan="off",
        access_log=False,
        log_format="json" if settings.log_format == "json" else "text",
        date_header=False,
        max_concurrent_streams=_STREAMS,
        h2_max_header_list_size=_MOST_HEADERS,
        h2_max_header_block_size=_MOST_HEADERS,
        h2_initial_stream_window_size=_STREAM_WINDOW,
        h2_initial_connection_window_size=_CONNECTION_WINDOW,
        request_policies=slow_readers,
        timeout_handshake=_SECONDS_FOR_HANDSHAKE,
        timeout_request_header=_SECONDS_FOR_HEADERS,
        timeout_keep_alive=_SECONDS_IDLE,
        timeout_graceful_shutdown=settings.grace,
        **tls,
    )
    return config
