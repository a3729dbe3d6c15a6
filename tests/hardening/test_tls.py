"""TLS and mutual TLS: who gets in, and certificates that are exchanged while the service serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from flyte_connectors.errors import SettingsError

from tests.fakes.job_service import JobService
from tests.fakes.serve_process import COMMAND, FAKE, SECONDS_TO_START
from tests.hardening.certificates import Authority, Pair, put
from tests.service.hosting import TRANSPORT, hosting

SECONDS = 5.0
CHECK = "/grpc.health.v1.Health/Check"

OURS, OTHERS = Authority("ours"), Authority("somebody else's")


class Files:
    """The PEM files that a service is told of.

    Attributes:
        pair: The certificate and key that are there at first.
    """

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "tls.crt"
        self.key = folder / "tls.key"
        self.client_ca = folder / "clients.crt"
        self.pair = self.exchange(OURS.sign())
        self.trust(OURS)

    def exchange(self, pair: Pair) -> Pair:
        """Put another certificate and key in the place of those that are there."""
        put(self.certificate, pair.certificate)
        put(self.key, pair.key)
        return pair

    def trust(self, authority: Authority) -> None:
        """Let in the clients of this authority."""
        put(self.client_ca, authority.certificate)

    @property
    def tls(self) -> dict[str, str]:
        return {"tls_cert": str(self.certificate), "tls_key": str(self.key)}

    @property
    def mutual_tls(self) -> dict[str, str]:
        return {**self.tls, "tls_client_ca": str(self.client_ca)}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@contextlib.asynccontextmanager
async def connected(
    port: int, authority: Authority = OURS, pair: Pair | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel that trusts `authority` and shows `pair`."""
    credentials = grpc.ssl_channel_credentials(authority.certificate, *((pair.key, pair.certificate) if pair else ()))
    # gRPC would share one connection among channels that are alike.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        yield channel


async def check(channel: grpc.aio.Channel) -> bytes:
    """The health, as bytes."""
    reply: bytes = await channel.unary_unary(CHECK)(b"", timeout=SECONDS)
    return reply


async def is_let_in(port: int, authority: Authority = OURS, pair: Pair | None = None) -> bool:
    async with connected(port, authority, pair) as channel:
        try:
            return bool(await check(channel))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False


async def noticed() -> None:
    """Wait until a service sees that its files have changed: by grpcio, at the next handshake."""
    if TRANSPORT == "asgi":
        await asyncio.sleep(2.0)


async def serial_shown(port: int) -> int:
    """Serial number of the certificate that a new connection is shown."""

    def handshake() -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
            context.wrap_socket(plain) as wrapped,
        ):
            return wrapped.getpeercert(binary_form=True) or b""

    return x509.load_der_x509_certificate(await asyncio.to_thread(handshake)).serial_number


async def test_a_client_that_trusts_the_authority_gets_through(files: Files, jobs: JobService) -> None:
    """Nobody else does: not in plain text, and not a client that would trust another."""
    async with hosting(**files.tls) as service:
        assert await is_let_in(service.port)
        assert not await is_let_in(service.port, OTHERS)
        async with grpc.aio.insecure_channel(service.address) as plain:
            with pytest.raises(grpc.aio.AioRpcError):
                await check(plain)


async def test_mutual_tls_lets_in_what_its_authority_signed(files: Files, jobs: JobService) -> None:
    """Not a client without a certificate, nor one of another authority."""
    async with hosting(**files.mutual_tls) as service:
        assert await is_let_in(service.port, pair=OURS.sign("a client"))
        assert not await is_let_in(service.port, pair=OTHERS.sign("a client"))
        assert not await is_let_in(service.port)


async def test_a_certificate_is_exchanged_while_calls_go_on(files: Files, jobs: JobService) -> None:
    """New connections are shown the new one; those that are open stay open."""
    async with hosting(**files.tls) as service, connected(service.port) as channel:
        await check(channel)
        assert await serial_shown(service.port) == files.pair.serial
        for _ in range(3):
            new = files.exchange(OURS.sign())
            await noticed()
            assert await serial_shown(service.port) == new.serial
            assert await is_let_in(service.port)
            assert await check(channel)


async def test_half_an_exchange_changes_nothing(files: Files, jobs: JobService) -> None:
    """A new certificate whose key has not arrived yet is not shown; with its key it is."""
    new = OURS.sign()
    async with hosting(**files.tls) as service:
        put(files.certificate, new.certificate)
        await noticed()
        assert await serial_shown(service.port) == files.pair.serial
        assert await is_let_in(service.port)
        put(files.key, new.key)
        await noticed()
        assert await serial_shown(service.port) == new.serial
        assert await is_let_in(service.port)


@pytest.mark.parametrize("damage", [None, b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("name", ["certificate", "key", "client_ca"])
async def test_a_damaged_file_keeps_the_old_ones(
    files: Files,
    jobs: JobService,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: bytes | None,
) -> None:
    """The service goes on, says so, and reads the next good ones."""
    pair = OURS.sign("a client")
    path: Path = getattr(files, name)
    async with hosting(**files.mutual_tls) as service:
        assert await is_let_in(service.port, pair=pair)
        intact = put(path, damage)
        await noticed()
        assert await is_let_in(service.port, pair=pair)
        assert "keeping the old certificate" in caplog.text
        assert path.name in caplog.text
        put(path, intact)
        await noticed()
        new = files.exchange(OURS.sign())
        await noticed()
        assert await serial_shown(service.port) == new.serial
        assert await is_let_in(service.port, pair=pair)


async def test_the_clients_authority_is_exchanged_too(files: Files, jobs: JobService) -> None:
    """Clients of the old one are no longer let in, those of the new one are."""
    async with hosting(**files.mutual_tls) as service:
        files.trust(OTHERS)
        await noticed()
        assert await is_let_in(service.port, pair=OTHERS.sign("a client"))
        assert not await is_let_in(service.port, pair=OURS.sign("a client"))


async def test_an_exchange_is_logged(files: Files, jobs: JobService, caplog: pytest.LogCaptureFixture) -> None:
    """Once; the files' contents are not."""
    caplog.set_level(logging.INFO)
    async with hosting(**files.tls) as service:
        new = files.exchange(OURS.sign())
        await noticed()
        for _ in range(3):
            assert await is_let_in(service.port)
    assert caplog.text.count("read the certificate again") == 1
    assert new.key.splitlines()[1].decode() not in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("tls_cert", None, r"--tls-cert: can't read \S+tls.crt: No such file"),
        ("tls_key", None, r"--tls-key: can't read \S+tls.key: No such file"),
        ("tls_client_ca", None, r"--tls-client-ca: can't read \S+clients.crt: No such file"),
        ("tls_cert", b"text", r"--tls-cert: \S+tls.crt contains no PEM certificate"),
        (
            "tls_key",
            OURS.sign().key,
            r"--tls-key: \S+tls.key is not the unencrypted PEM key of \S+tls.crt",
        ),
        (
            "tls_client_ca",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n",
            r"--tls-client-ca: \S+clients.crt contains no PEM certificate",
        ),
    ],
)
async def test_files_that_do_not_fit_fail_the_start(files: Files, name: str, content: bytes | None, said: str) -> None:
    """By the setting and the file, not with a word about ports."""
    path = Path(files.mutual_tls[name])
    put(path, content)
    with pytest.raises(SettingsError, match=f"^{said}"):
        async with hosting(**files.mutual_tls):
            pass


def test_a_process_says_what_is_wrong_with_its_files(files: Files, jobs: JobService) -> None:
    """In one line, and exits with 1."""
    put(files.key, OTHERS.sign().key)
    arguments = ["--module", FAKE, "--tls-cert", files.certificate, "--tls-key", files.key]
    ended = subprocess.run(
        [*COMMAND, "serve", "--port", "0", "--metrics-port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS_TO_START,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("flyte-connectors: --tls-key: ")
    assert ended.stderr.count("\n") == 1
