"""Connections: kept per event loop, to addresses that were checked, fair to every service."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flyte_connectors import _addresses
from flyte_connectors._addresses import internal_kind
from flyte_connectors.endpoints import VARIABLE, check_connection, unrestricted
from flyte_connectors.errors import PermissionDeniedError, ServiceUnavailableError
from flyte_connectors.http import Client, Limits, transport

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

NAME = "vendor.example.org"


class Resolver:
    """Answers for one name, a different address each time."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def __call__(self, host: str | bytes, port: int, **_: Any) -> list[Any]:
        if host not in (NAME, NAME.encode()):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        address = self.addresses[min(self.asked, len(self.addresses) - 1)]
        self.asked += 1
        return socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)


def named(server: Server, **options: Any) -> Client:
    """A client of the server under a name."""
    return Client(f"http://{NAME}:{server.port}/v1", field="custom.endpoint", **options)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch, event_loop_of_test: asyncio.AbstractEventLoop) -> Resolver:
    answers = Resolver("127.0.0.1")
    monkeypatch.setattr(event_loop_of_test, "getaddrinfo", answers, raising=False)
    return answers


@pytest.fixture
async def event_loop_of_test() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def test_a_name_that_leads_to_this_machine_is_refused(server: Server, resolver: Resolver) -> None:
    """Whoever owns the name decides where it leads; nothing is sent."""
    with pytest.raises(PermissionDeniedError, match=r"leads to 127\.0\.0\.1, which is loopback: add"):
        await named(server).get()
    assert resolver.asked == 1
    assert server.connections == 0


async def test_a_listed_name_needs_the_internal_address_in_the_list(
    server: Server, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list says which internal addresses may be reached, and under which names."""
    server.answer({})
    monkeypatch.setenv(VARIABLE, f"{NAME},127.0.0.1:1")
    with pytest.raises(PermissionDeniedError, match="which is loopback"):
        await named(server).get()
    monkeypatch.setenv(VARIABLE, f"{NAME},127.0.0.1:{server.port}")
    await named(server).get("a")
    assert f"host: {NAME}:{server.port}" in server.requests[0].lower()


async def test_localhost_needs_no_address_beside_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who lists it knows where it leads."""
    server.answer({})
    monkeypatch.setenv(VARIABLE, "localhost")
    await Client(f"http://localhost:{server.port}", field="f").get()
    assert len(server.requests) == 1


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    server: Server, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere a moment later leads nowhere: it is resolved once."""
    server.answer({})
    resolver.addresses = ["127.0.0.1", "169.254.169.254"]
    monkeypatch.setenv(VARIABLE, f"{NAME},127.0.0.1")
    await named(server).get()
    assert resolver.asked == 1
    assert server.connections == 1


async def test_each_address_of_a_host_is_tried(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses, or does not answer, is not the end."""
    server.answer({})

    async def several(_: str, port: int, **__: Any) -> list[Any]:
        return [socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0] for address in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", several, raising=False)
    monkeypatch.setenv(VARIABLE, f"{NAME},127.0.0.9,127.0.0.1")
    await named(server).get()
    assert server.connections == 1
    monkeypatch.setenv(VARIABLE, f"{NAME},127.0.0.1")
    with pytest.raises(PermissionDeniedError, match=r"leads to 127\.0\.0\.9"):
        await Client(f"http://{NAME}:{server.port + 1}", field="f").get()


async def test_operators_and_local_runs_may_reach_this_machine(server: Server, resolver: Resolver) -> None:
    """The operator chose the address, or is the user."""
    server.answer({})
    await named(server, trusted=True).get()
    with unrestricted():
        await named(server).get()
    with pytest.raises(PermissionDeniedError):  # over no connection that the others left
        await named(server).get()
    assert len(server.requests) == 2


async def test_a_name_without_an_address_is_unavailable(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have one in a moment; nothing was sent."""

    async def fail(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail, raising=False)
    with pytest.raises(ServiceUnavailableError, match="can't be reached") as caught:
        await named(server).post(body={})
    assert not caught.value.outcome_unknown


def test_a_listed_host_may_be_at_the_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a vendor's service on the same node; a domain is not a host, and without a list nothing is."""
    monkeypatch.setattr(_addresses, "_is_own", lambda address: str(address) == "192.0.2.1")
    for listed, is_allowed in ((NAME, True), ("*.example.org", False), (None, False)):
        if listed is None:
            monkeypatch.delenv(VARIABLE)
        else:
            monkeypatch.setenv(VARIABLE, listed)
        refused = contextlib.nullcontext() if is_allowed else pytest.raises(PermissionDeniedError)
        with refused:
            check_connection(NAME, 443, "192.0.2.1", "field")


def test_the_own_address_is_internal() -> None:
    """Under whatever address others know this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    if not address.startswith("127."):
        assert internal_kind(address) == "this machine"
    assert internal_kind("192.0.2.1") is None
    assert internal_kind("2001:db8::1") is None


async def test_a_slow_service_takes_no_other_ones_place(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections are limited per host and port; what waits for one in vain was not sent."""
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 2)
    arrived = asyncio.Semaphore(0)

    async def hang(writer: asyncio.StreamWriter) -> None:
        arrived.release()
        await asyncio.sleep(30)

    server.replies = [hang]
    slow = Client(server.url, field="f", trusted=True)
    calls = [asyncio.ensure_future(slow.get()) for _ in range(2)]
    for _ in calls:
        await arrived.acquire()
    waiting = Client(server.url, field="f", trusted=True, limits=Limits(reply_seconds=0.2))
    with pytest.raises(ServiceUnavailableError) as caught:
        await waiting.post(body={})
    assert not caught.value.outcome_unknown
    async with type(server)() as other:
        other.answer({})
        await Client(other.url, field="f", trusted=True).get()
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_streams_that_stay_open_take_no_place(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch of each of many namespaces would leave no connection for a create."""
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 1)
    arrived = asyncio.Semaphore(0)

    async def stay_open(writer: asyncio.StreamWriter) -> None:
        arrived.release()
        await asyncio.sleep(30)

    server.replies = [stay_open, stay_open]
    server.answer({})
    watch = Client(server.url, field="f", trusted=True, limits=Limits(reply_seconds=60, stays_open=True))
    streams = [asyncio.ensure_future(watch.get()) for _ in range(2)]
    for _ in streams:
        await arrived.acquire()
    assert (await Client(server.url, field="f", trusted=True).post(body={})).is_success
    for stream in streams:
        stream.cancel()
    await asyncio.gather(*streams, return_exceptions=True)


async def test_a_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It resolves names; what is on this machine by its name is refused all the same."""
    server.answer({"by": "proxy"})
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pw@127.0.0.1:{server.port}")
    monkeypatch.setenv("NO_PROXY", "direct.example.org")
    reply = await Client(f"http://{NAME}/v1", field="f").get("a")
    assert reply.json() == {"by": "proxy"}
    assert server.requests[0].startswith(f"GET http://{NAME}/v1/a HTTP/1.1\r\n")
    assert "proxy-authorization: basic " in server.requests[0].lower()
    with pytest.raises(PermissionDeniedError):
        await Client("http://169.254.169.254/latest", field="f").get()
    with pytest.raises(ServiceUnavailableError):  # not by the proxy, which would answer
        await Client("http://direct.example.org:9/", field="f", trusted=True).get()


async def test_tls_is_for_the_name_not_for_the_address(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The certificate has to name the host of the URL, whichever address was connected to."""
    authority, served = certificate(NAME, tmp_path)
    async with await asyncio.start_server(answer_once, "127.0.0.1", 0, ssl=served) as listening:
        port = listening.sockets[0].getsockname()[1]
        monkeypatch.setenv(VARIABLE, f"{NAME},127.0.0.1")
        client = Client(f"https://{NAME}:{port}", field="f", tls=authority)
        assert (await client.get()).json() == {}
        with pytest.raises(ServiceUnavailableError, match="certificate"):
            await Client(f"https://127.0.0.1:{port}", field="f", tls=authority).get()


async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    await writer.drain()
    writer.close()


def certificate(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What trusts a new certificate of `name`, and what shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = built.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "certificate.pem"
    file.write_bytes(pem + private)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)
    return ssl.create_default_context(cadata=pem.decode()), served


def in_a_process(code: str) -> None:
    """Run code with `url` of a service that keeps connections."""
    service = """
        import asyncio, gc, http.server, os, threading, weakref
        from flyte_connectors.http import Client, transport
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            ports = set()
            def do_GET(self):
                self.ports.add(self.client_address[1])
                self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers()
                self.wfile.write(b"{}")
            def log_message(self, *_): pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        async def get():
            await Client(f"http://127.0.0.1:{server.server_port}", field="f", trusted=True).get()
    """
    script = textwrap.dedent(service) + textwrap.dedent(code)
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_an_event_loop_that_ends_closes_its_connections_and_is_forgotten() -> None:
    """However many there are, one after another."""
    in_a_process("""
        loops = []
        async def main():
            loops.append(weakref.ref(asyncio.get_running_loop()))
            await get()
            await get()
        for _ in range(3):
            asyncio.run(main())
        gc.collect()
        assert len(Handler.ports) == 3
        assert not transport._by_loop
        assert not any(loop() for loop in loops)
    """)


def test_a_forked_child_has_connections_of_its_own() -> None:
    """And leaves its parent's alone."""
    in_a_process("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(get())
        child = os.fork()
        if not child:
            asyncio.run(get())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        loop.run_until_complete(get())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        assert len(Handler.ports) == 2, Handler.ports
    """)


async def test_a_unix_socket_stands_for_the_host(tmp_path: Path) -> None:
    """No name is resolved, and no proxy asked."""
    path = str(tmp_path / "vendor.sock")
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        client = Client("http://no.such.host", field="SOCKET", trusted=True, socket=path)
        assert (await client.get("jobs")).json() == {}
    assert heads[0].startswith("GET /jobs HTTP/1.1")
    gone = Client("http://no.such.host", field="SOCKET", trusted=True, socket=f"{path}.gone")
    with pytest.raises(ServiceUnavailableError) as caught:
        await gone.get("jobs")
    assert not caught.value.outcome_unknown
