"""Bytes that are not a message: an error for the caller, and no line in the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.job_service import JobService
from tests.fakes.serve_process import FAKE, serving
from tests.service.client import Client, refusal
from tests.service.hosting import hosting

ASYNC = "/flyteidl2.connector.AsyncConnectorService"
METADATA = "/flyteidl2.connector.ConnectorMetadataService"
UNARY = [
    f"{ASYNC}/CreateTask",
    f"{ASYNC}/GetTask",
    f"{ASYNC}/DeleteTask",
    f"{ASYNC}/GetTaskMetrics",
    f"{METADATA}/GetConnector",
    f"{METADATA}/ListConnectors",
]
LOGS = f"{ASYNC}/GetTaskLogs"
HEALTH = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/List"]
WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
NO_MESSAGES = [b"\xff\xff\xff", b"\x0a\x7f", b"\x00", b"\x0b" * 100, b"GET / HTTP/1.1\r\n\r\n"]


async def read(stream: object) -> None:
    async for _ in stream:  # type: ignore[attr-defined]
        pass


async def test_it_is_an_invalid_argument_and_no_line_in_the_log(jobs: JobService, tmp_path: Path) -> None:
    """Of every call, the stream included; anybody who reaches the port could fill a disk otherwise."""
    arguments = ("--module", FAKE, "--log-level", "info")
    with serving(*arguments, log=tmp_path / "log") as service:
        async with Client(service.address) as client:
            await client.create()
            before = service.log.read_text()
            for junk in NO_MESSAGES:
                for method in UNARY + HEALTH:
                    seen, _ = await refusal(client.channel.unary_unary(method)(junk, timeout=5))
                    assert (method, seen) == (method, "INVALID_ARGUMENT")
                for method in (LOGS, WATCH):
                    stream = client.channel.unary_stream(method)(junk, timeout=5)
                    seen, _ = await refusal(read(stream))
                    assert (method, seen) == (method, "INVALID_ARGUMENT")
                stream = client.channel.stream_stream(REFLECTION)(iter([junk]), timeout=5)
                seen, _ = await refusal(read(stream))
                assert seen == "INVALID_ARGUMENT"
            await client.create(run="the-next-one")
        assert service.log.read_text() == before
        assert service.stop() == 0
    assert len(jobs.jobs) == 2


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.lists(st.binary(max_size=60), min_size=1, max_size=20), method=st.sampled_from(UNARY))
@pytest.mark.usefixtures("jobs")
def test_no_bytes_make_an_error_of_the_services(junk: list[bytes], method: str) -> None:
    """Whatever they are, the code is one that a caller is to blame for, or none."""

    async def codes() -> set[str]:
        seen: set[str] = set()
        async with hosting() as service, Client(service.address) as client:
            call = client.channel.unary_unary(method)
            for data in junk:
                try:
                    await call(data, timeout=5)
                except grpc.aio.AioRpcError as error:
                    seen.add(error.code().name)
        return seen

    assert asyncio.run(codes()) <= {"INVALID_ARGUMENT", "NOT_FOUND"}
