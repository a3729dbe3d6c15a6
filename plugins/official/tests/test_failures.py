"""What users of hosted connectors see of the failures of their vendors' clients, as these really raise them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import asyncssh
import botocore.config
import botocore.exceptions
import botocore.session
import databricks.sdk
import databricks.sdk.errors
import google.api_core.exceptions
import google.auth.exceptions
import grpc
import httpx
import openai
import pytest
import requests
import snowflake.connector
from flyte_connectors.errors import (
    AuthenticationError,
    ConnectorError,
    InternalError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)

from flyte_connectors_official.hosting.failures import (
    LONGEST_TEXT,
    HostedConnectorError,
    UnreachableError,
    error_of_failure,
)

pytestmark = pytest.mark.filterwarnings("default")  # of the vendors' clients


@pytest.fixture
def closed_port() -> int:
    """A port that refuses connections."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class _Refusing(BaseHTTPRequestHandler):
    """Answers each request with the status that its path ends with."""

    def do_GET(self) -> None:
        """Refuse."""
        status = int(self.server.status)  # type: ignore[attr-defined]
        body = json.dumps({"error": {"message": "told by the vendor", "code": None}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Not in the tests' output."""


@pytest.fixture
def vendor() -> Iterator[Callable[[int], str]]:
    """The URL of a vendor that refuses everything with a status."""
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def url(status: int) -> str:
        server.status = status  # type: ignore[attr-defined]
        return f"http://127.0.0.1:{server.server_port}"

    yield url
    server.shutdown()
    server.server_close()


def raised(call: Callable[..., Any], *arguments: Any, **named: Any) -> Exception:
    """What a call raises; it has to."""
    try:
        call(*arguments, **named)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def seen(error: Exception, verb: str = "create", *, repeatable: bool = False) -> ConnectorError:
    """What the user gets."""
    return error_of_failure(error, "Acme", verb, repeatable=repeatable)


def queues(endpoint: str) -> Any:
    """A client of AWS that tries once."""
    session = botocore.session.get_session()
    session.set_credentials("key", "secret")
    once = botocore.config.Config(retries={"total_max_attempts": 1})
    return session.create_client("sqs", "eu-west-1", endpoint_url=endpoint, config=once)


async def _log_in(url: str) -> None:
    await asyncssh.connect("127.0.0.1", int(url.rpartition(":")[2]), config=None)


REFUSED: dict[str, Callable[[str], Any]] = {
    "httpx": httpx.get,
    "requests": requests.get,
    "botocore": lambda url: queues(url).list_queues(),
    "openai": lambda url: openai.OpenAI(base_url=url, api_key="k", max_retries=0).models.list(),
    "asyncssh": lambda url: asyncio.run(_log_in(url)),
    "socket": lambda url: socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))),
}


@pytest.mark.parametrize("client", REFUSED)
def test_a_refused_connection_is_unavailable(client: str, closed_port: int) -> None:
    """No request was sent; a `get` is worth another try, a create that may not be repeated is not."""
    error = raised(REFUSED[client], f"http://127.0.0.1:{closed_port}")
    told = seen(error)
    assert type(told) is UnreachableError
    assert (told.code, told.retryable, told.outcome_unknown) == ("UNAVAILABLE", False, False)
    assert told.message.startswith(f"Acme: {type(error).__name__}")
    again = seen(error, "get", repeatable=True)
    assert type(again) is ServiceUnavailableError
    assert again.retryable
    assert not again.outcome_unknown


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    """As a refused connection."""
    assert type(seen(raised(httpx.get, "http://host.invalid"))) is UnreachableError


HTTP: dict[str, Callable[[str], Any]] = {
    "httpx": lambda url: httpx.get(url).raise_for_status(),
    "requests": lambda url: requests.get(url, timeout=5).raise_for_status(),
    "openai": REFUSED["openai"],
    "botocore": REFUSED["botocore"],
    "databricks": lambda url: databricks.sdk.WorkspaceClient(host=url, token="t").clusters.get("1"),
}
STATUSES = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: JobNotFoundError,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("client", HTTP)
def test_a_refusal_keeps_its_meaning(client: str, status: int, vendor: Callable[[int], str]) -> None:
    """Whatever the client makes of the status."""
    told = seen(raised(HTTP[client], vendor(status)))
    assert type(told) is STATUSES[status]
    assert not told.retryable


@pytest.mark.parametrize("client", ["httpx", "requests", "openai"])
def test_a_create_that_may_have_worked_is_not_repeated(client: str, vendor: Callable[[int], str]) -> None:
    """Too many requests, a service that is away: the core asks nobody a second time."""
    for status, kind in ((429, RateLimitedError), (503, ServiceUnavailableError)):
        error = raised(HTTP[client], vendor(status))
        assert type(seen(error)) is kind
        assert seen(error).outcome_unknown
        assert seen(error, "get", repeatable=True).retryable


class _Status(grpc.RpcError):
    """As generated stubs raise it."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (_Status(), PermissionDeniedError),
        (google.auth.exceptions.DefaultCredentialsError("no credentials"), AuthenticationError),
        (google.auth.exceptions.RefreshError("invalid_grant"), AuthenticationError),
        (google.api_core.exceptions.Forbidden("no"), PermissionDeniedError),
        (google.api_core.exceptions.InvalidArgument("bad"), InvalidRequestError),
        (
            google.api_core.exceptions.RetryError("timeout", google.api_core.exceptions.TooManyRequests("slow down")),
            RateLimitedError,
        ),
        (asyncssh.PermissionDenied("no way to authenticate"), AuthenticationError),
        (asyncssh.HostKeyNotVerifiable("unknown host"), AuthenticationError),
        (databricks.sdk.errors.PermissionDenied("no"), PermissionDeniedError),
        (
            snowflake.connector.errors.ProgrammingError("bad", errno=1003, sqlstate="42000"),
            InvalidRequestError,
        ),
        (
            snowflake.connector.errors.DatabaseError("wrong", errno=250001, sqlstate="08001"),
            AuthenticationError,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_the_users_own_faults_have_their_class(error: Exception, kind: type[Exception]) -> None:
    """Keys, accounts, permissions, requests."""
    assert type(seen(error)) is kind


def test_an_account_that_is_missing_is_named() -> None:
    """By Snowflake's client itself."""
    error = raised(snowflake.connector.connect, user="u", password="p")
    told = seen(error)
    assert type(told) is InvalidRequestError
    assert "account" in told.message.partition("ProgrammingError")[2].lower()


@pytest.mark.parametrize("error", [ValueError("account is required"), KeyError("account")])
def test_an_exception_of_the_connector_itself_is_told(error: Exception) -> None:
    """In `create` it is about what the task gave; later it is the connector's, and heals or not."""
    told = seen(error)
    assert type(told) is InvalidRequestError
    assert told.message == f"Acme: {type(error).__name__}: {error}"
    later = seen(error, "get", repeatable=True)
    assert isinstance(later, InternalError)
    assert later.message == f"get of Acme: {type(error).__name__}: {error}"


def test_a_reply_that_can_not_be_read_is_no_fault_of_the_request() -> None:
    """Although Python calls it a ValueError; a job may have been started."""
    told = seen(raised(json.loads, "<html>"))
    assert type(told) is HostedConnectorError
    assert told.outcome_unknown


def test_a_bad_request_of_a_get_does_not_end_the_task(vendor: Callable[[int], str]) -> None:
    """The request of a `get` is the connector's own; only its create answers for the task's."""
    error = raised(HTTP["httpx"], vendor(400))
    assert type(seen(error, "get", repeatable=True)) is HostedConnectorError


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_what_aws_can_not_find_is_gone(verb: str) -> None:
    """Though SageMaker calls it invalid, and its connector wraps that: else the back end deletes it for ever."""
    reply = {"Error": {"Code": "ValidationException", "Message": "Could not find endpoint 'e'."}}
    wrapped = RuntimeError("An error occurred")
    wrapped.__cause__ = botocore.exceptions.ClientError(reply, "DeleteEndpoint")
    assert seen(wrapped, verb).code == "NOT_FOUND"
    assert seen(wrapped, "create").code == "INVALID_ARGUMENT"


def test_a_cause_tells_what_a_wrapper_hides() -> None:
    """Connectors wrap what they catch."""
    error = RuntimeError("could not start the job")
    error.__cause__ = google.api_core.exceptions.Unauthenticated("bad key")
    assert type(seen(error)) is AuthenticationError


def test_a_text_is_one_line_of_bounded_length() -> None:
    """An HTML page as an error's text stays out of the way."""
    told = seen(RuntimeError("a\nb " * 40_000))
    assert "\n" not in told.message
    assert len(told.message) < LONGEST_TEXT + 100


def test_errors_of_this_framework_pass() -> None:
    """A connector that has moved half way."""
    error = PermissionDeniedError("no")
    assert seen(error) is error


def test_circles_of_causes_end() -> None:
    """Whoever made them."""
    first, second = RuntimeError("a"), RuntimeError("b")
    first.__cause__, second.__cause__ = second, first
    assert type(seen(first)) is HostedConnectorError
