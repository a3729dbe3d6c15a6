"""`c0`, as the official chart starts it: `flyte-connectors serve` with the options of the SDK's command.

What `c0` has no option for (TLS, tokens, allow-lists, ...) is set by `FLYTE_CONNECTORS_*` as for `serve`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

from flyte_connectors import cli
from flyte_connectors.service.settings import variable_of

_EVERYWHERE = "0.0.0.0"  # noqa: S104  (where the SDK's service listens; others than the pod ask it)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends the process; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.timeout:
        end = threading.Timer(options.timeout, os.kill, (os.getpid(), signal.SIGTERM))
        end.daemon = True
        end.start()
    return cli.main(["serve", *serve_options(options)])


def serve_options(options: argparse.Namespace) -> list[str]:
    """The options of `serve`; what is not given is left to its environment variables and defaults."""
    given = [f"--module={module}" for module in options.modules]
    if options.port is not None:
        given.append(f"--port={options.port}")
    if options.prometheus_port is not None:
        given.append(f"--metrics-port={options.prometheus_port}")
    if options.worker is not None:
        given.append(f"--threads={options.worker}")
    if variable_of("host") not in os.environ:
        given.append(f"--host={_EVERYWHERE}")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="c0", description="Start the connector service.")
    add = parser.add_argument
    add("--port", type=int, help="gRPC port (default 8000)")
    add("--prometheus_port", type=int, help="port of the metrics (default 9090)")
    add("--worker", type=int, help="threads of each connector for plain functions (default 16)")
    add("--timeout", type=int, help="end after so many seconds; for tests")
    add("--modules", action="append", default=[], metavar="M",
        help="also host the connectors of this module or file; repeatable")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
