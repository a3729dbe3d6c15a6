"""Requests: what is sent, what replies mean, and what a client does not put up with."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors._masking import MASK
from flyte_connectors.errors import (
    AuthenticationError,
    ConflictError,
    ConnectorError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyte_connectors.http import (
    Client,
    Limits,
    NotJsonError,
    UncertainOutcomeError,
    basic,
    bearer,
    header,
)
from flyte_connectors.secrets import protected, redact

if TYPE_CHECKING:
    from conftest import Server

FIELD = "custom.endpoint"
CANARY = "http-canary-5f0b1"


def client(server: Server, path: str = "/v1", **options: Any) -> Client:
    return Client(f"{server.url}{path}", field=FIELD, trusted=True, **options)


async def test_parts_query_and_body_arrive_as_they_are(server: Server) -> None:
    """Each part is one part of the path, whatever is in it."""
    server.answer({"ok": True})
    reply = await client(server).post("jobs", "a b?#@:&=\N{SNOWMAN}", query={"q": "&?"}, body={"n": 1})
    assert reply.json_object() == {"ok": True}
    head, _, body = server.requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /v1/jobs/a%20b%3F%23%40:%26%3D%E2%98%83?q=%26%3F HTTP/1.1\r\n")
    assert json.loads(body) == {"n": 1}


async def test_connections_are_kept(server: Server) -> None:
    """Clients are made for a call; their connections are not."""
    server.answer({})
    for _ in range(5):
        await client(server).get()
    assert server.connections == 1


async def test_cookies_are_not_kept(server: Server) -> None:
    """What one caller was given does not go out with the next one's request."""
    server.answer({}, headers="Set-Cookie: session=theirs\r\n")
    for _ in range(2):
        await client(server).get()
    assert "cookie" not in server.requests[1].lower()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", InvalidRequestError),
        ("401 Unauthorized", AuthenticationError),
        ("403 Forbidden", PermissionDeniedError),
        ("404 Not Found", JobNotFoundError),
        ("405 Method Not Allowed", InvalidRequestError),
        ("408 Request Timeout", ServiceUnavailableError),
        ("409 Conflict", ConflictError),
        ("410 Gone", JobNotFoundError),
        ("418 I'm a teapot", InvalidRequestError),
        ("422 Unprocessable Content", InvalidRequestError),
        ("429 Too Many Requests", RateLimitedError),
        ("500 Internal Server Error", ServiceUnavailableError),
        ("503 Service Unavailable", ServiceUnavailableError),
    ],
)
async def test_each_status_is_its_error(server: Server, status: str, kind: type[ConnectorError]) -> None:
    """With what the service says, and the host and path that said it."""
    server.answer({"error": {"message": "because of the weather"}}, status)
    with pytest.raises(ConnectorError, match=r"127.0.0.1:\d+/v1/a answered \d+: because") as caught:
        await client(server).get("a")
    assert type(caught.value) is kind
    assert (await client(server).get("a", check=False)).status == int(status[:3])


@pytest.mark.parametrize(
    ("header_line", "seconds"),
    [
        ("Retry-After: 7", 7),
        ("Retry-After: 99999999", 3600),
        ("Retry-After: Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Retry-After: soon", None),
        ("X: y", None),
    ],
)
async def test_a_service_may_say_when_to_come_back(server: Server, header_line: str, seconds: float | None) -> None:
    """In seconds or as a date; what is neither is not believed, and no pause is endless."""
    server.answer({}, "429 Too Many Requests", f"{header_line}\r\n")
    with pytest.raises(RateLimitedError) as caught:
        await client(server).get()
    assert caught.value.retry_after == seconds


async def test_what_the_service_says_is_masked_and_cut(server: Server) -> None:
    """Masked first: half a secret would not be known as one."""
    server.answer({"error": "x\n" * 140 + CANARY + "y" * 50_000}, "400 Bad Request")
    with protected({"token": CANARY}), pytest.raises(InvalidRequestError) as caught:
        await client(server).get()
    assert CANARY[:8] not in caught.value.message
    assert len(caught.value.message) < 500
    assert "\n" not in caught.value.message


async def test_a_web_page_is_not_quoted(server: Server) -> None:
    """It tells nothing; what is not JSON is an error of its own."""
    server.send(b"<html>busy</html>", "502 Bad Gateway", "Content-Type: text/html\r\n")
    with pytest.raises(ServiceUnavailableError) as caught:
        await client(server).get()
    assert "html" not in caught.value.message
    server.replies = []
    server.send(b"<html>", headers="Content-Type: text/html\r\n")
    with pytest.raises(NotJsonError, match="answered text/html, not JSON"):
        (await client(server).get()).json()


async def test_an_answer_of_another_shape_is_not_the_services(server: Server) -> None:
    """It names the member that is missing."""
    server.answer({"state": "RUNNING"})
    reply = await client(server).get()
    assert reply.json_object("state") == {"state": "RUNNING"}
    with pytest.raises(NotJsonError, match="answered no 'lines'"):
        reply.json_object("state", "lines")
    server.replies = []
    server.answer(["RUNNING"])
    with pytest.raises(NotJsonError, match="not an object"):
        (await client(server).get()).json_object()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"state": ["RUNNING"], "lines": []}, "no 'state' of type str"),
        ({"state": None, "lines": []}, "no 'state' of type str"),
        ({"lines": []}, "no 'state' of type str"),
        ({"state": "RUNNING", "lines": "one"}, r"no 'lines' of type list"),
        ({"state": "RUNNING", "lines": ["one", 2]}, r"no 'lines' of type list"),
        ({"state": "RUNNING", "lines": [], "message": 3}, r"no 'message' of type str \| None"),
    ],
)
async def test_members_have_the_types_that_the_client_says(server: Server, answer: object, said: str) -> None:
    """Else a connector would fail over them with an error that says nothing to its users."""
    server.answer(answer)
    reply = await client(server).get()
    with pytest.raises(NotJsonError, match=said):
        reply.json_object(state=str, lines=list[str], message=str | None)


async def test_a_member_that_may_be_none_may_be_missing(server: Server) -> None:
    """Services leave out what there is not."""
    server.answer({"state": "RUNNING", "lines": ["one"]})
    answer = (await client(server).get()).json_object(state=str, lines=list[str], message=str | None)
    assert answer == {"state": "RUNNING", "lines": ["one"], "message": None}


async def test_a_reply_is_cut_at_its_limit(server: Server) -> None:
    """Also one that is endless, and one that grows when it is decompressed."""
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10_000):
            writer.write(b"x" * 10_000)
            await writer.drain()

    server.replies = [flood]
    small = client(server, limits=Limits(reply_bytes=100_000))
    with pytest.raises(ServiceUnavailableError, match="answered more than 100000 bytes"):
        await small.get()
    server.replies = []
    server.send(bomb, headers="Content-Encoding: gzip\r\n")
    with pytest.raises(ServiceUnavailableError, match="answered more than 100000 bytes"):
        await small.get()


async def test_a_compressed_reply_is_read(server: Server) -> None:
    """In the encodings that were asked for; others are refused, for they may grow without limit."""
    text = json.dumps({"a": "b" * 10_000}).encode()
    server.send(gzip.compress(text), headers="Content-Encoding: gzip\r\n")
    server.send(zlib.compress(text), headers="Content-Encoding: deflate\r\n")
    server.send(text, headers="Content-Encoding: br\r\n")
    server.send(text, headers="Content-Encoding: gzip\r\n")
    for _ in range(2):
        assert (await client(server).get()).json() == {"a": "b" * 10_000}
    with pytest.raises(ServiceUnavailableError, match="encoding 'br', which was not asked for"):
        await client(server).get()
    with pytest.raises(ServiceUnavailableError, match="can't be decompressed"):
        await client(server).get()
    assert "accept-encoding: gzip\r\n" in server.requests[0].lower()


async def test_a_service_that_never_ends_its_answer_is_given_up(server: Server) -> None:
    """Also one that sends a byte now and then."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    server.replies = [drip]
    with pytest.raises(ServiceUnavailableError, match=r"gave no answer within 0\.2 s"):
        await client(server, limits=Limits(reply_seconds=0.2)).get()


async def test_a_call_that_is_cancelled_lets_go_of_its_connection(server: Server) -> None:
    """As at its caller's deadline."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def notice(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        while not writer.transport.is_closing():
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n ")
            await asyncio.sleep(0.01)
        gone.set()

    server.replies = [notice]
    call = asyncio.ensure_future(client(server).get())
    await arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(gone.wait(), 10)


async def test_a_failure_tells_whether_the_request_was_sent(server: Server) -> None:
    """Nothing listens; or it came through, and there is no answer."""
    async with server.__class__() as ended:
        url = ended.url
    with pytest.raises(ServiceUnavailableError, match=r"reached \(Connection refused\): is the") as unsent:
        await Client(url, field=FIELD, trusted=True).post("jobs", body={})
    assert not unsent.value.outcome_unknown
    server.replies = [b""]
    with pytest.raises(ServiceUnavailableError, match="closed the connection early") as sent:
        await client(server).post("jobs", body={}, repeatable=True)
    assert sent.value.outcome_unknown


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"])
async def test_what_must_not_be_repeated_is_not_asked_for_again(server: Server, reply: bytes) -> None:
    """A POST without an id of the caller's choice may have been carried out."""
    server.replies = [reply]
    with pytest.raises(UncertainOutcomeError, match="it may have been carried out") as caught:
        await client(server).post("jobs", body={})
    assert caught.value.outcome_unknown
    assert not caught.value.retryable
    with pytest.raises(ServiceUnavailableError):
        await client(server).put("jobs", "a", body={})


async def test_a_server_that_speaks_no_http_is_unavailable(server: Server) -> None:
    """The text says so."""
    server.replies = [b"220 mail.example.org ESMTP\r\n"]
    with pytest.raises(ServiceUnavailableError, match="is not an HTTP server"):
        await client(server).get()


@pytest.mark.parametrize("scheme", ["bearer", "basic", "header"])
async def test_credentials_are_masked_in_every_form_that_is_sent(server: Server, scheme: str) -> None:
    """A service that shows a request's headers shows no secret, also one of the connector's own."""
    with protected({}):
        auth = {
            "bearer": lambda: bearer(CANARY),
            "basic": lambda: basic("user", CANARY),
            "header": lambda: header("X-Key", CANARY),
        }[scheme]()
        sent = next(iter(auth.values()))
        server.answer({"error": f"bad credentials {sent}"}, "401 Unauthorized")
        with pytest.raises(AuthenticationError) as caught:
            await client(server, auth=auth).get()
        assert sent.rpartition(" ")[2] not in caught.value.message
        assert MASK in caught.value.message
        assert CANARY not in redact(f"{auth} user:{CANARY}")
    assert sent in server.requests[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-K\N{LATIN SMALL LETTER E WITH ACUTE}y", "v"),
        ("X\r\nEvil", "v"),
        ("X Y", "v"),
        ("", "v"),
        ("Host", "evil.example.net"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("X-Key", "v\r\nEvil: 1"),
        ("X-Key", "v\0"),
        ("X-Key", "\N{SNOWMAN}"),
        ("X-Key", "p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss"),
    ],
)
async def test_a_header_that_can_not_be_sent_names_its_field(name: str, value: str) -> None:
    """And does not show its value."""
    with pytest.raises(InvalidRequestError, match=r"^custom\.auth\.name: ") as caught:
        header(name, value, field="custom.auth.name")
    assert value == "v" or value not in caught.value.message


@pytest.mark.parametrize("body", [float("nan"), {1, 2}, {"a": float("inf")}])
async def test_a_body_that_is_not_json_is_an_error_of_the_request(server: Server, body: object) -> None:
    """Nothing is sent."""
    with pytest.raises(InvalidRequestError, match="can't be written as JSON"):
        await client(server).post(body=body)
    assert server.connections == 0


async def test_a_download_is_passed_on_in_pieces(server: Server) -> None:
    """Within the limit; the body of a refusal is not."""
    server.send(b"x" * 500_000)
    server.answer({"error": "gone"}, "404 Not Found")
    pieces: list[bytes] = []
    plain = Client(server.url, field=FIELD, trusted=True)
    reply = await plain.download(f"{server.url}/data?signature=1", pieces.append)
    assert (reply.status, reply.content) == (200, b"")
    assert b"".join(pieces) == b"x" * 500_000
    assert len(pieces) > 1
    reply = await plain.download(f"{server.url}/data", pieces.append)
    assert reply.status == 404
    assert len(b"".join(pieces)) == 500_000
    server.replies = []
    server.send(b"x" * 500_000)
    small = Client(server.url, field=FIELD, trusted=True, limits=Limits(reply_bytes=1000))
    with pytest.raises(ServiceUnavailableError, match="more than 1000 bytes"):
        await small.download(f"{server.url}/data", pieces.append)
