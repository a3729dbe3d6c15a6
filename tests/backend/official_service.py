"""Serves the official SDK's connector service: `official_service PORT METRICS_PORT MODULE...`.

The SDK has no setting for the address and binds every interface. This project's tests listen on
loopback only, so the two calls that bind are given an address; nothing else is changed.
"""

from __future__ import annotations

import functools
import sys

import prometheus_client
from flyte.connectors import ConnectorService
from flyte.connectors._grpc import grpc


def listen_on_loopback() -> None:
    """Make the SDK's servers bind 127.0.0.1."""
    prometheus_client.start_http_server = functools.partial(prometheus_client.start_http_server, addr="127.0.0.1")
    bind = grpc.aio.Server.add_insecure_port
    grpc.aio.Server.add_insecure_port = lambda server, address: bind(server, address.replace("[::]", "127.0.0.1"))


if __name__ == "__main__":
    listen_on_loopback()
    port, metrics_port, *modules = sys.argv[1:]
    ConnectorService.run(port=int(port), prometheus_port=int(metrics_port), worker=10, timeout=None, modules=modules)
