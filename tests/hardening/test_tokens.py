"""Bearer tokens: who has one gets in, tokens are exchanged while the service serves, probes need none."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyte_connectors.errors import SettingsError
from flyteidl2.connector import connector_pb2 as pb
from grpc_health.v1 import health_pb2

from tests.fakes.job_service import JobService
from tests.fakes.serve_process import FAKE, serving
from tests.hardening.certificates import put
from tests.service.client import Client, refusal
from tests.service.hosting import TRANSPORT, hosting

SECONDS = 5.0
ASYNC = "/flyteidl2.connector.AsyncConnectorService"
METADATA = "/flyteidl2.connector.ConnectorMetadataService"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
ONE, TWO = "first-token-c4n4ry", "second-token-c4n4ry"


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    put(path, f"{ONE}\n".encode())
    return path


@contextlib.asynccontextmanager
async def client_of(tokens: Path) -> AsyncIterator[Client]:
    """A client, without a token, of a service that wants one."""
    async with hosting(auth_token_file=str(tokens)) as service, Client(service.address) as client:
        yield client


async def code(client: Client, authorization: str | None) -> str:
    """What ListConnectors ends with."""
    if authorization and TRANSPORT == "asgi":
        # h2corn resets such calls: no header begins or ends with a space (RFC 9113 section 8.2.1).
        authorization = authorization.strip()
    metadata = () if authorization is None else (("authorization", authorization),)
    call = client.metadata.ListConnectors(pb.ListConnectorsRequest(), metadata=metadata, timeout=SECONDS)
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.parametrize("authorization", [f"Bearer {ONE}", f"bearer {ONE}", f"BEARER   {ONE} "])
async def test_a_valid_token_gets_in(tokens: Path, jobs: JobService, authorization: str) -> None:
    """The scheme's case does not matter (RFC 7235)."""
    async with client_of(tokens) as client:
        assert await code(client, authorization) == "OK"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {ONE[:-1]}",
        f"Bearer {ONE}x",
        f"Bearer {ONE} {ONE}",
        f"Bearer {ONE.upper()}",
        ONE,
        f"Basic {ONE}",
        f"Token {ONE}",
    ],
)
async def test_anything_else_does_not(tokens: Path, jobs: JobService, authorization: str | None) -> None:
    """UNAUTHENTICATED."""
    async with client_of(tokens) as client:
        assert await code(client, authorization) == "UNAUTHENTICATED"


UNARY = [f"{ASYNC}/{name}Task" for name in ("Create", "Get", "Delete")]
UNARY += [f"{ASYNC}/GetTaskMetrics", f"{METADATA}/ListConnectors", f"{METADATA}/GetConnector"]


@pytest.mark.parametrize("method", [*UNARY, f"{ASYNC}/Surprise"])
async def test_every_call_needs_one(tokens: Path, jobs: JobService, method: str) -> None:
    """Also those that don't exist; the text says what to send, and the connector is not asked."""
    async with client_of(tokens) as client:
        refused, text = await refusal(client.channel.unary_unary(method)(b"", timeout=SECONDS))
    assert refused == "UNAUTHENTICATED"
    assert "authorization: Bearer TOKEN" in text
    assert not jobs.calls("create")


async def test_streams_need_one(tokens: Path, jobs: JobService) -> None:
    """Logs and reflection."""

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    async with client_of(tokens) as client:
        logs = client.channel.unary_stream(f"{ASYNC}/GetTaskLogs")(b"", timeout=SECONDS)
        assert (await refusal(read(logs)))[0] == "UNAUTHENTICATED"
        listing = client.channel.stream_stream(REFLECTION)(iter([b""]), timeout=SECONDS)
        assert (await refusal(read(listing)))[0] == "UNAUTHENTICATED"


async def test_health_needs_none(tokens: Path, jobs: JobService) -> None:
    """Neither Check nor Watch: probes can't send it."""
    async with client_of(tokens) as client:
        assert await client.status() == health_pb2.HealthCheckResponse.SERVING
        watch = client.health.Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


@pytest.mark.parametrize(
    "method",
    [
        "/grpc.health.v1.Health/../../flyteidl2.connector.AsyncConnectorService/CreateTask",
        "/grpc.health.v1.Healthy/Check",
        "//grpc.health.v1.Health/Check",
    ],
)
async def test_what_looks_like_health_is_not(tokens: Path, jobs: JobService, method: str) -> None:
    """No other method is reached by a name that begins alike."""
    async with client_of(tokens) as client:
        refused, _ = await refusal(client.channel.unary_unary(method)(b"", timeout=SECONDS))
    assert refused in {"UNAUTHENTICATED", "UNIMPLEMENTED"}
    assert not jobs.calls("create")


async def test_tokens_are_exchanged_while_it_serves(tokens: Path, jobs: JobService) -> None:
    """Add the new one, move the clients, remove the old one: nobody is refused in between."""
    first, second = f"Bearer {ONE}", f"Bearer {TWO}"
    async with client_of(tokens) as client:
        assert await code(client, second) == "UNAUTHENTICATED"
        put(tokens, f"{ONE}\n{TWO}\n".encode())
        assert [await code(client, first), await code(client, second)] == ["OK", "OK"]
        put(tokens, f"\n  {TWO}  \r\n\n".encode())
        assert await code(client, second) == "OK"
        assert await code(client, first) == "UNAUTHENTICATED"


async def test_a_file_that_is_away_keeps_its_tokens(tokens: Path, jobs: JobService) -> None:
    """While it is being replaced, nobody is refused."""
    async with client_of(tokens) as client:
        put(tokens, None)
        assert await code(client, f"Bearer {ONE}") == "OK"
        put(tokens, f"{TWO}\n".encode())
        assert await code(client, f"Bearer {TWO}") == "OK"


async def test_an_emptied_file_lets_nobody_in(tokens: Path, jobs: JobService, caplog: pytest.LogCaptureFixture) -> None:
    """Refused, and never an error of the service, also once the file is away."""
    async with client_of(tokens) as client:
        for content in (b"\n", None):
            put(tokens, content)
            assert await code(client, f"Bearer {ONE}") == "UNAUTHENTICATED"
            assert await code(client, "Bearer ") == "UNAUTHENTICATED"
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, r"--auth-token-file: can't read \S+/tokens: No such file"),
        (b"\n \n", r"--auth-token-file: \S+/tokens contains no token"),
    ],
)
async def test_a_service_without_tokens_does_not_start(tokens: Path, content: bytes | None, said: str) -> None:
    """It would let in nobody, or everybody."""
    put(tokens, content)
    with pytest.raises(SettingsError, match=f"^{said}"):
        async with hosting(auth_token_file=str(tokens)):
            pass


async def test_no_token_is_in_the_log(tokens: Path, jobs: JobService, tmp_path: Path) -> None:
    """Neither the service's nor what clients send, right or wrong."""
    arguments = ("--module", FAKE, "--auth-token-file", str(tokens), "--log-level", "debug")
    with serving(*arguments, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            assert await code(client, f"Bearer {ONE}") == "OK"
            assert await code(client, f"Bearer {TWO}") == "UNAUTHENTICATED"
        service.stop()
    log = service.log.read_text()
    assert ONE not in log
    assert TWO not in log
