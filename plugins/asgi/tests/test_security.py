"""TLS that is renewed, mutual TLS, and tokens."""

from __future__ import annotations

import asyncio
import pathlib
import socket
import ssl

import grpc
import pytest
from certificates import Authority
from probe_service import SERVICE, Server, serving
from raw import connected, framed


def _presented(port: int, ca: pathlib.Path) -> str:
    """The name in the certificate that the server presents."""
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the certificates have what matters here only
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        certificate = secured.getpeercert()
    assert certificate
    return dict(pair[0] for pair in certificate["subject"])["commonName"]  # type: ignore[misc]


def _channel(server: Server, authority: Authority, client: tuple[str, str] | None = None) -> grpc.aio.Channel:
    files = [authority.path, *map(pathlib.Path, reversed(client or ()))]
    credentials = grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))
    return grpc.aio.secure_channel(f"localhost:{server.port}", credentials)


async def test_a_changed_certificate_is_served_without_losing_a_call(
    tmp_path: pathlib.Path,
) -> None:
    """A broken one is not; calls and streams of the first one are answered."""
    authority = Authority(tmp_path)
    certificate, key = map(pathlib.Path, authority.issue("first"))
    async with (
        serving(tls_cert=str(certificate), tls_key=str(key)) as server,
        _channel(server, authority) as channel,
    ):
        sleep = channel.unary_unary(f"/{SERVICE}/Sleep")
        is_over = asyncio.Event()
        done = 0

        async def caller() -> None:
            nonlocal done
            while not is_over.is_set():
                assert await sleep(b"0.01") == b"slept"
                done += 1

        assert server.transport._current
        budget = server.transport._current._application.budget
        callers = [asyncio.ensure_future(caller()) for _ in range(5)]
        waiting = asyncio.ensure_future(sleep(b"3"))
        await asyncio.sleep(0.1)
        certificate.write_text("broken")
        await asyncio.sleep(1.2)
        assert await asyncio.to_thread(_presented, server.port, authority.path) == "first"
        new, new_key = map(pathlib.Path, authority.issue("second"))
        key.write_bytes(new_key.read_bytes())
        certificate.write_bytes(new.read_bytes())
        for _ in range(100):
            if await asyncio.to_thread(_presented, server.port, authority.path) == "second":
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("the new certificate is not served")
        assert await waiting == b"slept"
        is_over.set()
        await asyncio.gather(*callers)
        assert done > 50
        assert server.transport._current._application.budget is budget  # one for the process


async def test_mutual_tls_wants_a_certificate_of_the_ca(tmp_path: pathlib.Path) -> None:
    """None, or one of another CA, is refused in the handshake."""
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    certificate, key = authority.issue("server")
    settings = {"tls_cert": certificate, "tls_key": key, "tls_client_ca": str(authority.path)}
    async with serving(**settings) as server:
        async with _channel(server, authority, authority.issue("client")) as channel:
            assert await channel.unary_unary(f"/{SERVICE}/Echo")(b"hello", timeout=5) == b"hello"
        for client in (None, other.issue("stranger")):
            async with _channel(server, authority, client) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await channel.unary_unary(f"/{SERVICE}/Echo")(b"", timeout=5)
                assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_tokens_are_checked_before_the_request_is_read(tmp_path: pathlib.Path) -> None:
    """So that strangers can't fill the budget for requests."""
    file = tmp_path / "tokens"
    file.write_text("right\n")
    async with serving(auth_token_file=str(file)) as server, connected(server.port) as raw:
        good = await raw.call("Echo", b"x", ("authorization", "Bearer right"))
        assert good.status == "0"
        for headers in ((), (("authorization", "Bearer wrong"),)):
            stream = raw.open("Echo", *headers)
            await raw.send(stream, framed(b"x" * 200_000), end=True)
            refused = await raw.answer(stream)
            assert (refused.status, refused.reset) == ("16", None)
            assert "bearer token" in refused.trailers["grpc-message"]
