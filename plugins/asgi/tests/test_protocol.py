"""What a client may send, byte by byte, and what it gets for it."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest
from probe_service import LARGEST, Probe, Server, serving, until
from raw import RawConnection, connected, framed

from flyte_connectors_asgi import messages
from flyte_connectors_asgi.application import GrpcApplication

HALF = framed(b"x" * LARGEST)[: LARGEST - 100]


async def test_a_call_has_headers_a_message_and_trailers(raw: RawConnection) -> None:
    """And its stream is not reset, which would count against the connection."""
    answer = await raw.call("Echo", b"hello")
    assert answer.headers[":status"] == "200"
    assert answer.headers["content-type"] == "application/grpc"
    assert (answer.body, answer.status, answer.reset) == (framed(b"hello"), "0", None)


@pytest.mark.parametrize("size", [1, 3, 4, 5, 6])
async def test_a_message_may_come_in_pieces(raw: RawConnection, size: int) -> None:
    """However they are cut."""
    stream, data = raw.open("Echo"), framed(b"in pieces")
    for at in range(0, len(data), size):
        await raw.send(stream, data[at : at + size])
        await asyncio.sleep(0)
    await raw.send(stream, b"", end=True)
    answer = await raw.answer(stream)
    assert (answer.body, answer.status) == (framed(b"in pieces"), "0")


async def test_several_messages_may_come_in_one_piece(raw: RawConnection) -> None:
    """One of them cut in two."""
    stream, data = raw.open("Join"), framed(b"a") + framed(b"bb") + framed(b"ccc")
    await raw.send(stream, data[:-2])
    await asyncio.sleep(0.02)
    await raw.send(stream, data[-2:], end=True)
    assert (await raw.answer(stream)).body == framed(b"a+bb+ccc")


async def test_an_error_has_headers_no_body_and_a_status_in_trailers(raw: RawConnection) -> None:
    """ASGI knows no answer of trailers alone."""
    answer = await raw.call("Abort", b"")
    assert (answer.headers[":status"], answer.body, answer.reset) == ("200", b"", None)
    assert answer.status == "5"
    assert answer.trailers["grpc-message"] == "no such job: %C3%BCn%C3%AFcode 100%25%0Aline two"
    assert answer.trailers["x-raw-bin"] == "AP8B"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"content_type": "application/json"}, "415"),
        ({"content_type": "application/grpc-web"}, "415"),
        ({"content_type": "application/grpc+json"}, "415"),
        ({"method": "PUT"}, "405"),
    ],
)
async def test_what_is_no_call_is_refused_by_http(raw: RawConnection, changed: dict[str, str], status: str) -> None:
    """After its body was read; the connection stays open."""
    stream = raw.open("Echo", **changed)
    await raw.send(stream, b"x" * 100_000, end=True)
    answer = await raw.answer(stream)
    assert (answer.headers[":status"], answer.reset) == (status, None)
    assert (await raw.call("Echo", b"next")).status == "0"


@pytest.mark.parametrize("content", ["application/grpc+proto", "application/grpc;charset=utf-8"])
async def test_other_forms_of_the_content_type_are_accepted(raw: RawConnection, content: str) -> None:
    """As grpcio does."""
    stream = raw.open("Echo", content_type=content)
    await raw.send(stream, framed(b"x"), end=True)
    assert (await raw.answer(stream)).status == "0"


@pytest.mark.parametrize(
    ("scope", "status"),
    [({"http_version": "1.1"}, 505), ({"extensions": {}}, 501), ({"method": "GET"}, 405)],
)
async def test_a_server_that_can_not_do_it_is_named(scope: dict[str, Any], status: int) -> None:
    """HTTP/1.1, and servers without trailers, into which people may mount the application."""
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(event: Any) -> None:
        sent.append(event)

    usual = {
        "type": "http", "http_version": "2", "method": "POST", "path": "/probe.Probe/Echo",
        "headers": [(b"content-type", b"application/grpc")],
        "extensions": {"http.response.trailers": {}},
    }  # fmt: skip
    await GrpcApplication([Probe().handlers()])({**usual, **scope}, receive, send)
    assert sent[0]["status"] == status


@pytest.mark.parametrize("path", ["Nope", "/no.Service/Echo", "/"])
async def test_an_unknown_method_is_unimplemented(raw: RawConnection, path: str) -> None:
    """Once the request was read."""
    answer = await raw.call(path, b"x" * 50_000)
    assert (answer.status, answer.reset) == ("12", None)


@pytest.mark.parametrize("timeout", ["S", "1", "123456789S", "1x", "-1S"])
async def test_an_invalid_time_limit_is_refused(raw: RawConnection, timeout: str) -> None:
    """Instead of being ignored."""
    answer = await raw.call("Echo", b"", ("grpc-timeout", timeout))
    assert (answer.status, answer.trailers["grpc-message"][:20]) == ("13", "invalid grpc-timeout")


async def test_deadlines_are_answered_a_little_early(server: Server, raw: RawConnection) -> None:
    """Else clients reset them, and h2corn closes a connection after 200 resets in 10 s."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    streams = [raw.open("Sleep", ("grpc-timeout", "500m")) for _ in range(250)]
    for stream in streams:
        await raw.send(stream, framed(b"30"), end=True)
    answers = [await raw.answer(stream) for stream in streams]
    assert loop.time() - began > 0.47
    assert {answer.status for answer in answers} == {"4"}
    assert {answer.reset for answer in answers} == {None}
    assert server.probe.seen["cancelled"] == server.probe.seen["begun"]
    assert (await raw.call("Echo", b"", ("grpc-timeout", "0S"))).status == "4"


async def test_an_unfinished_request_has_the_same_deadline(raw: RawConnection) -> None:
    """It is answered, although its handler was never called."""
    stream = raw.open("Echo", ("grpc-timeout", "200m"))
    await raw.send(stream, framed(b"abc")[:-1])
    assert (await raw.answer(stream)).status == "4"


async def test_a_message_that_is_too_large_is_refused_after_it_was_read(raw: RawConnection) -> None:
    """The client would otherwise see a reset, and may not read the status."""
    answer = await raw.call("Echo", b"x" * (LARGEST + 1))
    assert (answer.status, answer.reset) == ("8", None)
    assert "--max-message-bytes" in answer.trailers["grpc-message"]
    assert (await raw.call("Echo", b"x" * LARGEST)).status == "0"


@pytest.mark.parametrize(("data", "status"), [(b"", "12"), (b"\0\0", "13"), (framed(b"abc")[:-1], "13")])
async def test_a_request_that_ends_too_early_is_refused(raw: RawConnection, data: bytes, status: str) -> None:
    """With a status that says so."""
    stream = raw.open("Echo")
    await raw.send(stream, data, end=True)
    assert (await raw.answer(stream)).status == status


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(b"small" * 10)), ("deflate", zlib.compress(b"small" * 10))],
    ids=["gzip", "deflate"],
)
async def test_compressed_requests_are_understood(raw: RawConnection, encoding: str, packed: bytes) -> None:
    """In pieces, too."""
    stream = raw.open("Echo", ("grpc-encoding", encoding))
    await raw.send(stream, framed(packed, 1)[:7])
    await raw.send(stream, framed(packed, 1)[7:], end=True)
    assert (await raw.answer(stream)).body == framed(b"small" * 10)


@pytest.mark.parametrize(
    ("encoding", "packed", "status"),
    [
        ("gzip", gzip.compress(b"\0" * 50_000_000, 9), "8"),
        ("gzip", b"not gzip", "13"),
        ("gzip", gzip.compress(b"cut off")[:-9], "13"),
        ("identity", b"", "13"),
        ("snappy", b"", "12"),
    ],
    ids=["a bomb", "no gzip", "cut off", "no encoding", "unknown"],
)
async def test_compression_is_bounded_and_checked(
    raw: RawConnection, encoding: str, packed: bytes, status: str
) -> None:
    """50 MB of zeros never exist."""
    stream = raw.open("Echo", ("grpc-encoding", encoding))
    await raw.send(stream, framed(packed, 1), end=True)
    answer = await raw.answer(stream)
    assert answer.status == status
    assert encoding != "snappy" or answer.headers["grpc-accept-encoding"] == "identity,gzip,deflate"


async def test_unfinished_requests_share_a_budget(server: Server, raw: RawConnection) -> None:
    """Those beyond it are refused, whole requests are answered, and what is given up is free again."""
    budget = server.transport._current._application.budget
    unfinished = [raw.open("Echo") for _ in range(10)]
    for stream in unfinished:
        await raw.send(stream, HALF)
    await until(lambda: budget._held > 7 * LARGEST)
    assert budget._held <= 8 * LARGEST
    assert (await raw.call("Echo", b"whole")).status == "0"
    for stream in unfinished:
        raw.reset(stream)
    await until(lambda: budget._held == 0)


async def test_a_request_beyond_the_budget_is_resource_exhausted(raw: RawConnection) -> None:
    """So that the client may try again."""
    for _ in range(8):
        await raw.send(raw.open("Echo"), HALF)
    await asyncio.sleep(0.2)
    stream = raw.open("Echo")
    await raw.send(stream, HALF)
    await asyncio.sleep(0.2)
    await raw.send(stream, framed(b"x" * LARGEST)[LARGEST - 100 :], end=True)
    answer = await raw.answer(stream)
    assert (answer.status, answer.reset) == ("8", None)


async def test_a_cancelled_call_cancels_its_handler(server: Server, raw: RawConnection) -> None:
    """Also when the whole connection goes away."""
    stream = raw.open("Sleep")
    await raw.send(stream, framed(b"30"), end=True)
    await until(lambda: server.probe.seen["begun"] == 1)
    raw.reset(stream)
    await until(lambda: server.probe.seen["cancelled"] == 1)
    async with connected(server.port) as other:
        await other.send(other.open("Both"), framed(b"x"))
        await other.send(other.open("Forever"), framed(b"10"), end=True)
        await until(lambda: server.probe.seen["begun"] == 3)
    await until(lambda: server.probe.seen["cancelled"] == 3)


async def test_a_slow_reader_stops_its_stream(server: Server, raw: RawConnection) -> None:
    """What it does not take is not produced."""
    raw.acknowledges = False
    stream = raw.open("Forever")
    await raw.send(stream, framed(b"10000"), end=True)
    await until(lambda: len(raw.streams[stream].body) >= 65_535)
    await asyncio.sleep(0.3)
    sent = server.probe.seen["sent"]
    await asyncio.sleep(0.3)
    assert server.probe.seen["sent"] == sent < 400
    raw.reset(stream)
    await until(lambda: server.probe.seen["cancelled"] == 1)


async def test_a_list_goes_out_as_its_messages(raw: RawConnection) -> None:
    """A hundred in each."""
    answer = await raw.call("Batches", b"1000")
    assert answer.body == b"".join(framed(b"%d" % number) for number in range(1000))


class _Upload:
    """A request that goes on after it has been refused."""

    def __init__(self, *, pauses: bool) -> None:
        self.received = 0
        self.sent: list[Any] = []
        self._pauses = pauses

    async def receive(self) -> dict[str, Any]:
        if self._pauses:
            await asyncio.sleep(30)
        self.received += 1024 * 1024
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(1024 * 1024), "more_body": True}

    async def send(self, event: Any) -> None:
        self.sent.append(event)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("pauses", [False, True])
async def test_the_rest_of_a_refused_request_is_read_within_limits(
    monkeypatch: pytest.MonkeyPatch, method: str, pauses: bool
) -> None:
    """64 MiB, and 5 s (here less)."""
    monkeypatch.setattr(messages, "_SECONDS_TO_DROP", 0.2 if pauses else 30.0)
    scope = {
        "type": "http", "http_version": "2", "method": method, "path": "/probe.Probe/Nope",
        "headers": [(b"content-type", b"application/grpc")],
        "extensions": {"http.response.trailers": {}},
    }  # fmt: skip
    upload = _Upload(pauses=pauses)
    application = GrpcApplication([Probe().handlers()])
    await asyncio.wait_for(application(scope, upload.receive, upload.send), 10)
    assert upload.sent[0]["status"] == (200 if method == "POST" else 405)
    assert upload.received == (0 if pauses else 64 * 1024 * 1024)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_request_has_to_be_complete_within_a_minute(raw: RawConnection) -> None:
    """If its call has no shorter time limit; it would hold its part of the budget for ever."""
    stream = raw.open("Echo")
    await raw.send(stream, HALF)
    async with asyncio.timeout(70):
        await raw.streams[stream].ended.wait()
    answer = raw.streams[stream]
    assert (answer.status, answer.trailers["grpc-message"]) == ("4", "the request was not sent completely within 60 s")


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_log_may_be_read_as_slowly_as_one_likes() -> None:
    """Other servers of HTTP/2, and h2corn for other calls, end a stream whose reader has paused for 60 s."""
    async with serving() as server, connected(server.port) as raw:
        raw.acknowledges = False
        stream = raw.open("/flyteidl2.connector.AsyncConnectorService/GetTaskLogs")
        await raw.send(stream, framed(b"1000"), end=True)
        await until(lambda: len(raw.streams[stream].body) >= 65_535)
        await asyncio.sleep(70)
        assert not raw.streams[stream].ended.is_set()
        read = len(raw.streams[stream].body)
        raw.protocol.acknowledge_received_data(read, stream)
        await raw.flush()
        await until(lambda: len(raw.streams[stream].body) > read)
