"""A client that can't reach its service: permanent errors are reported at once, with their solution."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import socket
import threading
import time
from pathlib import Path

import pytest
from flyte_connectors.client.job_loop import RunObserver, RunPolicy, run_job
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InvalidRequestError,
    ServiceUnavailableError,
)
from flyteidl2.connector import connector_pb2 as pb

from tests.hardening.certificates import Authority, Pair
from tests.service.hosting import hosting

SECONDS = 5.0  # "at once", on a busy machine
OURS, OTHERS = Authority("ours"), Authority("others")
YEAR = datetime.timedelta(days=365)


async def fault(endpoint: str, **kwargs: str) -> str:
    """Why a run on a service ends, which it does at once."""
    began = time.monotonic()
    with pytest.raises(InvalidRequestError) as caught:
        async with RemoteService(endpoint, **kwargs) as service:
            await run_job(service, pb.CreateTaskRequest())
    assert time.monotonic() - began < SECONDS
    return caught.value.message


@pytest.fixture
def ca(tmp_path: Path) -> str:
    """A file that names the authority to trust."""
    file = tmp_path / "ca.crt"
    file.write_bytes(OURS.certificate)
    return str(file)


@contextlib.asynccontextmanager
async def hosting_tls(folder: Path, pair: Pair) -> None:
    """The address of a service with a certificate."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    async with hosting(tls_cert=str(certificate), tls_key=str(key)) as service:
        yield service.address


@pytest.mark.parametrize(
    ("endpoint", "advice"),
    [
        ("http://localhost", "write localhost without TLS, https://localhost with TLS"),
        ("http://localhost:8000/", "write localhost:8000 without TLS, https://localhost:8000 with"),
        ("localhost", "'localhost' is not HOST:PORT; write https://HOST:PORT for TLS"),
        ("localhost:", "is not HOST:PORT"),
        ("localhost:abc", "is not HOST:PORT"),
        ("localhost:0", "is not HOST:PORT"),
        ("localhost:65536", "is not HOST:PORT"),
        (":8000", "is not HOST:PORT"),
        ("::1:8000", "is not HOST:PORT"),
        ("https://localhost", "is not HOST:PORT"),
        ("https://user@localhost:1", "is not HOST:PORT"),
        ("localhost:8000/path", "is not HOST:PORT"),
        ("ftp://localhost:8000", "is not HOST:PORT"),
        ("local host:8000", "is not HOST:PORT"),
        ("", "is not HOST:PORT"),
    ],
)
async def test_what_is_no_address_is_refused(endpoint: str, advice: str) -> None:
    """With the way to write one."""
    message = await fault(endpoint)
    assert message.startswith("endpoint: ")
    assert advice in message


async def test_a_name_that_does_not_resolve_is_refused() -> None:
    """A mistyped one will not come up."""
    message = await fault("x.invalid:8000")
    assert "connector service at x.invalid:8000: can't resolve the host name" in message


async def test_a_plaintext_client_learns_that_the_port_speaks_tls(tmp_path: Path) -> None:
    """And how to write its address."""
    async with hosting_tls(tmp_path, OURS.sign()) as address:
        message = await fault(address)
        assert f"the port uses TLS: write https://{address}" in message
        assert "FLYTE_CONNECTORS_ENDPOINT_CA" in message


async def test_a_tls_client_learns_that_the_port_speaks_none(ca: str) -> None:
    """And what made it speak TLS."""
    async with hosting() as service:
        for kwargs in ({}, {"ca": ca}):
            message = await fault(f"https://{service.address}", **kwargs)
            assert f"the port does not use TLS: write {service.address} without" in message
        message = await fault(service.address, ca=ca)
        assert "unset FLYTE_CONNECTORS_ENDPOINT_CA" in message


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (
            OTHERS.sign(),
            "unable to get local issuer certificate (FLYTE_CONNECTORS_ENDPOINT_CA=FILE",
        ),
        (OURS.sign(host="other.example"), "certificate is not valid for '127.0.0.1'"),
        (OURS.sign(age=YEAR), "certificate has expired"),
        (OURS.sign(age=-YEAR), "certificate is not yet valid"),
    ],
    ids=["unknown authority", "other name", "expired", "of the future"],
)
async def test_a_certificate_that_is_not_accepted_is_told(tmp_path: Path, ca: str, pair: Pair, reason: str) -> None:
    """With what is wrong with it."""
    async with hosting_tls(tmp_path, pair) as address:
        message = await fault(f"https://{address}", ca=ca)
    assert f"connector service at https://{address}: the certificate is not accepted: " in message
    assert reason in message


async def test_a_port_of_http_is_told() -> None:
    """Such as that of the metrics."""
    async with hosting() as service:
        message = await fault(f"127.0.0.1:{service.metrics_port}")
        assert "the port does not serve gRPC: is it the metrics port?" in message
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        message = await fault(f"127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "the port does not serve gRPC: is it the metrics port?" in message


async def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    """By its variable."""
    for content in (b"", b"nothing", b"\xff\xfe"):
        (tmp_path / "ca").write_bytes(content)
        with pytest.raises(InvalidRequestError, match=r"^FLYTE_CONNECTORS_ENDPOINT_CA: can't read"):
            RemoteService("localhost:1", ca=str(tmp_path / "ca"))


async def test_a_refused_token_names_the_variable(tmp_path: Path) -> None:
    """Whether there was none or a wrong one."""
    (tmp_path / "tokens").write_text("right\n")
    async with hosting(auth_token_file=str(tmp_path / "tokens")) as service:
        for token, advice in ((None, "is not set"), ("wrong", "is refused")):
            async with RemoteService(service.address, token=token) as client:
                with pytest.raises(AuthenticationError) as caught:
                    await client.list_connectors()
            assert caught.value.message.endswith(f"FLYTE_CONNECTORS_ENDPOINT_TOKEN {advice}")


class Waits(RunObserver):
    """Remembers why a run has waited."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def waiting(self, error: ConnectorError, seconds: float) -> None:
        """A call has failed, and is tried again."""
        self.reasons.append(error.message)


async def test_a_service_that_is_down_is_waited_for() -> None:
    """It may be starting; who watches is told the reason."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    waits = Waits()
    async with RemoteService(address) as service:
        with pytest.raises(ServiceUnavailableError):
            await run_job(service, pb.CreateTaskRequest(), RunPolicy(give_up_after=0.5), waits)
    assert set(waits.reasons) == {f"connector service at {address}: connection refused"}
