"""Where the transport listens."""

from __future__ import annotations

import socket

import grpc
import pytest
from flyte_connectors.errors import ServiceStartError
from probe_service import SERVICE, serving


async def test_a_port_in_use_is_named() -> None:
    """As with grpcio."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServiceStartError, match=f"127.0.0.1:{port}: the port is in use"):
            async with serving(port=port):
                pass


@pytest.mark.parametrize("host", ["", "no-such-host.invalid", "127.0.0.1:80", "203.0.113.9"])
async def test_no_host_of_this_machine_is_refused(host: str) -> None:
    """An empty one, too, which would otherwise be every address of the machine."""
    with pytest.raises(ServiceStartError, match="can't listen on") as raised:
        async with serving(host=host):
            pass
    assert "in use" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "::"])
async def test_a_host_may_be_a_name_or_an_address(host: str) -> None:
    """`::` is both families."""
    dialled = ["127.0.0.1", "[::1]"] if host == "::" else [f"[{host}]" if ":" in host else host]
    async with serving(host=host) as server:
        for one in dialled:
            async with grpc.aio.insecure_channel(f"{one}:{server.port}") as channel:
                assert await channel.unary_unary(f"/{SERVICE}/Echo")(b"hello", timeout=5) == b"hello"
