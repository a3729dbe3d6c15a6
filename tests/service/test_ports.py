"""Ports: one service each."""

from __future__ import annotations

import socket
import subprocess

import grpc
import pytest
from flyte_connectors.errors import ServiceStartError

from tests.fakes.job_service import JobService
from tests.fakes.serve_process import COMMAND, SECONDS_TO_START
from tests.service.client import Client
from tests.service.hosting import hosting


async def test_a_second_service_on_the_port_is_refused(client: Client, jobs: JobService) -> None:
    """Instead of sharing it unnoticed."""
    async with hosting() as service:
        with pytest.raises(ServiceStartError, match=f":{service.port}: the port is in use"):
            async with hosting(port=service.port):
                pass
    await client.create()


@pytest.mark.parametrize("flag", ["--port", "--metrics-port"])
def test_a_process_whose_port_is_taken_says_so(flag: str) -> None:
    """It names the address, without a traceback, and exits with 1."""
    other = "--metrics-port" if flag == "--port" else "--port"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [*COMMAND, "serve", flag, str(port), other, "0"],
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_START,
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    *noise, last = ended.stderr.splitlines()
    assert last.startswith(f"flyte-connectors: can't listen on 127.0.0.1:{port}")
    assert all("add_port.cc" in line for line in noise), noise  # gRPC's C core has its own say


async def test_the_service_listens_on_loopback_unless_told_otherwise(client: Client) -> None:
    """Nobody else reaches a service that was started without a thought."""
    async with hosting() as service:
        assert service.address == f"127.0.0.1:{service.port}"
        channel = grpc.aio.insecure_channel(f"127.0.0.2:{service.port}")
        async with channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
