"""The official service, on the loopback interface: it has no flag for the address.

python peer.py PORT METRICS_PORT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grpc.aio
import prometheus_client

_listen, _expose_metrics = grpc.aio.Server.add_insecure_port, prometheus_client.start_http_server


def _listen_on_loopback(server: grpc.aio.Server, address: str) -> int:
    port: int = _listen(server, address.replace("[::]", "127.0.0.1"))
    return port


def _expose_metrics_on_loopback(port: int) -> Any:
    return _expose_metrics(port, addr="127.0.0.1")


if __name__ == "__main__":
    grpc.aio.Server.add_insecure_port = _listen_on_loopback
    prometheus_client.start_http_server = _expose_metrics_on_loopback
    sys.path.insert(0, str(Path(__file__).parent))

    from flyte._bin.connect import main

    port, metrics_port = sys.argv[1:]
    # fmt: off
    main([
        "--port", port,
        "--prometheus_port", metrics_port,
        "--modules", "connector_peer",
    ])
    # fmt: on
