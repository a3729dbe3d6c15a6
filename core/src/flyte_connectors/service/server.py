"""One service process: listen, report ready, serve, drain.

Order of a shutdown (SIGTERM, SIGINT or SIGHUP): health says NOT_SERVING, calls received are answered,
clients are sent elsewhere, every started create finishes, then the process exits, all within the grace
period.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import grpc

from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._dispatch.transient_faults import TransientFaults
from flyte_connectors._registry.plugin_hooks import call_hook
from flyte_connectors.service.adapter import ASYNC_SERVICE, METADATA_SERVICE, answers, handlers
from flyte_connectors.service.calls import Calls
from flyte_connectors.service.health import ServiceHealth
from flyte_connectors.service.http_endpoint import HttpEndpoint, listen_http
from flyte_connectors.service.settings import ServiceSettings, address_of
from flyte_connectors.service.standard_services import standard_handlers
from flyte_connectors.service.transport import Transport, transport_for

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from flyte_connectors._registry.discovery import PluginReport
    from flyte_connectors._registry.table import Registry
    from flyte_connectors.service.adapter import Answer

logger = logging.getLogger(__name__)


class ConnectorService:
    """A gRPC service that hosts the connectors of a registry.

    Attributes:
        registry: The connectors that it hosts.
        settings: Its settings.
        reports: The load status of each plugin.
        dispatcher: Answers its requests.
        faults: Jobs whose state can't be read; None with `--transient-errors raise`.
        calls: Those that are being answered.
        loop: The event loop that it runs on, once started.
        port: Port of the gRPC service, once started.
        metrics_port: Port of the HTTP endpoint, once started.
        left_running: Calls that had not ended within the grace period, once stopped.
    """

    def __init__(
        self,
        registry: Registry,
        settings: ServiceSettings | None = None,
        reports: Iterable[PluginReport] = (),
        *,
        shared_port: bool = False,
        transport: Transport | None = None,
    ) -> None:
        """Prepare a service.

        Args:
            registry: The connectors to host.
            settings: Addresses, authentication and shutdown.
            reports: The load status of each plugin.
            shared_port: Whether other processes of the same service listen on the port, too.
            transport: What brings calls to the handlers; by the settings by default.

        Raises:
            SettingsError: the transport is not installed.
        """
        self._shared_port = shared_port
        self.registry = registry
        self.settings = settings or ServiceSettings()
        self.reports = list(reports)
        limits = self.settings
        self._guard = CallGuard(threads=limits.threads, backlog=limits.backlog, isolate=True)
        absorb = self.settings.transient_errors == "absorb"
        self.faults = TransientFaults(lost_after=self.settings.lost_after) if absorb else None
        self.dispatcher = Dispatcher(registry, self._guard, faults=self.faults, secrets_by=limits.secrets_by)
        self._answers = answers(self.dispatcher)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._health = ServiceHealth(registry, self.reports)
        self.calls = Calls()
        self._transport = transport or transport_for(self.settings, self.calls, shared_port=shared_port)
        self._http: HttpEndpoint | None = None
        self.left_running = 0
        self.port = self.settings.port
        self.metrics_port = self.settings.metrics_port

    async def start(self) -> None:
        """Listen, and answer SERVING.

        Raises:
            ServiceStartError: a port is in use.
            SettingsError: a certificate or token file can't be read.
        """
        self.loop = asyncio.get_running_loop()
        http_socket = listen_http(self.settings)
        self.metrics_port = http_socket.getsockname()[1]
        try:
            await self._start_grpc()
            await asyncio.to_thread(self._start_http, http_socket)
            asyncio.get_running_loop().run_in_executor(None, _load_the_rest)
        except BaseException:
            if self._http is None:
                http_socket.close()
            await self.stop()
            raise

    async def _start_grpc(self) -> None:
        added = {
            name: methods
            for hook in self.registry.hooks["grpc_services"]
            for name, methods in call_hook(hook, service=self).items()
        }
        of_plugins = (grpc.method_handlers_generic_handler(*one) for one in added.items())
        services = (ASYNC_SERVICE, METADATA_SERVICE, *added)
        standard = standard_handlers(self._health.servicer, services)
        own = handlers(self.dispatcher, self.calls, self._answers)
        self.port = await self._transport.start((*of_plugins, own, *standard))
        _warn_if_open(self.settings)
        self._guard.start()
        await self._health.set_ready()
        if self.registry.hooks["warm_up"]:
            # A daemon: a service that stops does not wait for imports.
            threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    async def stop(self) -> None:
        """Shut down gracefully, within the grace period."""
        grace = self.settings.grace
        started = asyncio.get_running_loop().time()
        await self._health.set_draining()
        await self._transport.stop(grace)
        left = grace - (asyncio.get_running_loop().time() - started)
        unfinished = await self._guard.drain(max(left, 0))
        self.left_running = unfinished + self._guard.busy_threads
        if unfinished:
            logger.error(
                "%d creates were still running after %g s; a replay with the same task execution finds "
                "their jobs again, unless their connector takes no idempotency key",
                unfinished,
                grace,
            )
        if self._http is not None:
            self._http.close()

    async def serve_until_signal(self, ready: Callable[[], object]) -> None:
        """Start, serve until SIGTERM, SIGINT or SIGHUP, then drain; a second signal ends at once.

        SIGHUP stays ignored where it was ignored at the start, as by `nohup`.

        Args:
            ready: Called once the service answers, and a signal drains it.

        Raises:
            ServiceStartError: a port is in use.
        """
        loop = asyncio.get_running_loop()
        signalled = asyncio.Event()
        numbers = shutdown_signals()
        for number in numbers:
            loop.add_signal_handler(number, signalled.set)
        if self._shared_port:  # a worker: standard input closes when its supervisor is gone
            loop.add_reader(sys.stdin.fileno(), signalled.set)
        await self.start()
        ready()
        await signalled.wait()
        if self._shared_port:
            loop.remove_reader(sys.stdin.fileno())  # it would be ready again and again
        logger.info("draining for at most %g s", self.settings.grace)
        ending = asyncio.ensure_future(self.stop())
        for number in numbers:
            loop.add_signal_handler(number, ending.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await ending

    def wrap_requests(self, wrapper: Callable[[str, Answer], Answer]) -> None:
        """Wrap what answers the requests about jobs, for a record or to add to replies.

        Other than a wrapper of verbs, it sees the messages as Flyte does: the sealed resource meta, and replies
        without secrets, transient errors of `get` already absorbed.

        Args:
            wrapper: Is called with `CreateTask`, `GetTask` and `DeleteTask` (and `CreateTask again`, for creates that a
                client repeats) and what answers it; returns an async function that takes the request and seconds or
                None. It must not change a request, nor keep what is in its `connection`: those are secrets.
        """
        for name, answer in self._answers.items():
            self._answers[name] = wrapper(name, answer)

    @property
    def serving(self) -> bool:
        """Whether it accepts calls: not before it has started, without connectors, or while it drains."""
        return self._health.serving

    @property
    def address(self) -> str:
        """Host and port that the gRPC service listens on."""
        return address_of(self.settings.host, self.port)

    @property
    def summary(self) -> str:
        """One line for people: where it listens, and for what."""
        types = ", ".join(sorted(bound.category.name for bound in self.registry))
        url = f"http://{address_of(self.settings.host, self.metrics_port)}"
        pages = "".join(f"; {url}{path}/" for path in (self._http.paths if self._http else ()))
        start = f"listening on {self.address} for {types or 'no task types'}"
        return f"{start}; metrics on {url}/metrics{pages}"

    def _warm_up(self) -> None:
        for warm_up in self.registry.hooks["warm_up"]:
            try:
                warm_up()
            except (Exception, SystemExit) as error:
                name = getattr(warm_up, "__module__", "unknown")
                logger.warning("warming up %s failed: %s: %s", name, type(error).__name__, error)

    def _start_http(self, listening: socket.socket) -> None:
        def collector() -> Collector:
            from flyte_connectors.service.exposition import CallCollector

            return CallCollector(self.registry, self.reports, self.faults, self._guard)

        routes = [
            route for hook in self.registry.hooks["http_routes"] for route in call_hook(hook, service=self).items()
        ]
        tls = self.settings if self.settings.tls_cert else None
        self._http = HttpEndpoint(listening, self._health, collector, routes, tls=tls)


def shutdown_signals() -> list[signal.Signals]:
    """The signals that drain a service: SIGHUP only if this process does not ignore it."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def _load_the_rest() -> None:
    """Load what the first calls, or the end, may need, and SERVING does not wait for."""
    for module in ("_masking", "endpoints", "service.drain"):
        importlib.import_module(f"flyte_connectors.{module}")


def _warn_if_open(settings: ServiceSettings) -> None:
    if settings.is_public and not settings.tls_cert:
        logger.warning(
            "listening on %s WITHOUT TLS: everyone on the network path can read the secrets of tasks, "
            "and everyone who can reach the port can start jobs. Set --tls-cert and --tls-key, or "
            "restrict the port to a trusted network",
            settings.host,
        )
