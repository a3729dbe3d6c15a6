"""`flyte-connectors serve`: host every installed connector in one gRPC service."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys

from flyte_connectors.cli.options import add_option
from flyte_connectors.discovery import PluginReport, Status, load_module, load_plugins
from flyte_connectors.modules import import_module
from flyte_connectors.registry import Registry, process_registry, registering_for
from flyte_connectors.secrets import RedactingFilter
from flyte_connectors.service.server import ConnectorService, ServiceSettings, ServiceStartError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serve`."""
    usual = ServiceSettings()
    add_option(parser, "--host", default=usual.host, help="address to listen on")
    add_option(parser, "--port", type=int, default=usual.port, help="gRPC port, 0 picks one")
    add_option(
        parser,
        "--metrics-port",
        type=int,
        default=usual.metrics_port,
        help="HTTP port of /metrics, /healthz and /readyz, 0 picks one",
    )
    add_option(
        parser,
        "--module",
        repeatable=True,
        metavar="M",
        help="also host the connectors of this module or file; repeatable",
    )
    add_option(
        parser,
        "--allow",
        repeatable=True,
        metavar="NAME",
        help="load only these plugins, by distribution or entry point; repeatable",
    )
    add_option(
        parser, "--deny", repeatable=True, metavar="NAME", help="never load these; repeatable"
    )
    add_option(
        parser,
        "--lenient",
        type=bool,
        default=False,
        help="start although a plugin failed to load",
    )
    add_option(
        parser,
        "--max-message-bytes",
        type=int,
        default=usual.max_message_bytes,
        help="largest request that is read",
    )
    add_option(
        parser,
        "--grace",
        type=float,
        default=usual.grace,
        metavar="SECONDS",
        help="time for calls in flight and started creates when the service ends",
    )


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends the process."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter())
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[handler],
    )
    registry = process_registry()
    for name in options.module or ():
        _load(registry, name)
    reports = load_plugins(registry, allow=options.allow, deny=options.deny)
    _check(reports, lenient=options.lenient)
    settings = ServiceSettings(
        host=options.host,
        port=options.port,
        metrics_port=options.metrics_port,
        max_message_bytes=options.max_message_bytes,
        grace=options.grace,
    )
    # What was loaded lives as long as the process: no collection has to look at it again.
    gc.collect()
    gc.freeze()
    asyncio.run(_serve(ConnectorService(registry, settings, reports), registry))
    return 0


async def _serve(service: ConnectorService, registry: Registry) -> None:
    def announce() -> None:
        types = ", ".join(sorted(bound.category.name for bound in registry)) or "no task types"
        print(
            f"listening on {service.address} for {types}; "
            f"metrics on http://{service.metrics_address}/metrics",
            flush=True,
        )

    await service.serve_until_signal(announce)
    print("drained", file=sys.stderr)


def _load(registry: Registry, name: str) -> None:
    with registering_for(name):
        module = import_module(name)
    if not load_module(registry, module, name):
        message = f"--module {name}: registers no connector; call ConnectorRegistry.register in it"
        raise ServiceStartError(message)


def _check(reports: list[PluginReport], *, lenient: bool) -> None:
    for report in reports:
        if report.status is Status.SHADOWED:
            print(f"shadowed: {report.reason}", file=sys.stderr)
    failed = [report for report in reports if report.status is Status.FAILED]
    if not failed:
        return
    reasons = "; ".join(f"{report.entry_point} ({report.source}): {report.reason}" for report in failed)
    if not lenient:
        message = f"plugins failed to load: {reasons}. Mend, --deny or --lenient"
        raise ServiceStartError(message)
    print(f"failed to load: {reasons}", file=sys.stderr)
