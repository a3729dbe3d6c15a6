"""Maps the exceptions of hosted connectors to errors, and writes the messages for their users.

Official connectors let through whatever their vendors' clients raise. They are recognized by status codes and
class names, so that no client is imported: the first recognized exception along the chain of causes decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flyte_connectors.errors import (
    AuthenticationError,
    ConflictError,
    ConnectorError,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    JobNotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyte_connectors.http.statuses import error_of_status

LONGEST_TEXT = 1_000
"""Characters of an exception's text that its user sees."""

_CAUSES = 8  # along a chain

_GONE = re.compile(r"could not find|not found|does not exist|doesn't exist", re.IGNORECASE)

Kind = type[ConnectorError]


class HostedConnectorError(InternalError):
    """A hosted connector raised an exception that maps to no other error; the message is the connector's."""


class UnreachableError(ServiceUnavailableError):
    """The vendor could not be reached at all, by a create that may not be repeated."""

    retryable = False
    outcome_unknown = False


def error_of_failure(exception: Exception, name: str, verb: str, *, repeatable: bool) -> ConnectorError:
    """The error that a hosted connector's exception becomes; its text names the exception.

    Args:
        exception: What a verb raised.
        name: The connector's name.
        verb: The verb.
        repeatable: Whether the verb may be repeated after a transient error.
    """
    if isinstance(exception, ConnectorError):
        return exception
    text = f"{name}: {describe(exception)}"
    causes = list(_chain(exception))
    error = next((e for cause in causes if (e := _known(cause, text)) is not None), None)
    is_sent = not any(map(_is_not_sent, causes))
    if isinstance(error, ServiceUnavailableError) and not is_sent:
        error.outcome_unknown = False
    starts = verb in ("create", "do")
    if error is None and starts and _is_about_arguments(exception):
        error = InvalidRequestError(text)
    if isinstance(error, InvalidRequestError) and not starts:  # no time heals those, and a job runs
        error = JobNotFoundError(text) if any(map(_is_gone, causes)) else None
    if error is None:
        error = HostedConnectorError(f"{verb} of {text}")
    if error.retryable and not repeatable:
        if not is_sent:
            return UnreachableError(text)
        error.outcome_unknown = True  # a create of several requests may have got further than this one
    return error


def describe(exception: Exception) -> str:
    """The exception's class and text in one line of bounded length."""
    text = " ".join(str(exception).split())
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}..."
    return f"{type(exception).__name__}: {text}" if text else type(exception).__name__


def _chain(exception: BaseException) -> Iterator[BaseException]:
    """The exception, then what it wraps: causes, reasons and exceptions among its arguments."""
    seen: dict[int, BaseException] = {}
    waiting: list[Any] = [exception]
    while waiting and len(seen) < _CAUSES:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen[id(current)] = current
        cause = getattr(current, "cause", None)  # google.api_core's RetryError
        waiting += [current.__cause__, cause, getattr(current, "reason", None), *current.args]
        if not current.__suppress_context__:
            waiting.append(current.__context__)
        yield current


def _known(exception: BaseException, text: str) -> ConnectorError | None:
    """The error that an exception says it is, by itself."""
    kind = _by_code(exception) or _by_sqlstate(exception)
    if kind is not None:
        return kind(text)
    status = _status(exception)
    if status is not None:
        return error_of_status(status, text)
    if _is_not_sent(exception):
        return ServiceUnavailableError(text)
    for base in type(exception).__mro__:
        top = base.__module__.partition(".")[0]
        kind = _BY_NAME.get(f"{top}.{base.__name__}") or _BY_NAME.get(base.__name__)
        if kind is not None:
            return kind(text)
    return None


def _is_gone(exception: BaseException) -> bool:
    """Whether AWS says that what a request names is not there, which some of its services call invalid."""
    response = getattr(exception, "response", None)
    said = response.get("Error", {}).get("Message", "") if isinstance(response, Mapping) else ""
    return _GONE.search(said) is not None


def _is_not_sent(exception: BaseException) -> bool:
    """Whether no connection came about, so that no request was sent."""
    return any(base.__name__ in _NOT_SENT for base in type(exception).__mro__)


def _status(exception: BaseException) -> int | None:
    """The HTTP status that an exception carries, wherever its library keeps it."""
    response = getattr(exception, "response", None)
    if isinstance(response, Mapping):  # botocore's
        response = response.get("ResponseMetadata", {})
        candidates = [response.get("HTTPStatusCode")]
    else:
        holders = (exception, response, getattr(exception, "resp", None))
        names = ("status_code", "status", "code", "http_status", "http_code")
        candidates = [getattr(holder, name, None) for holder in holders for name in names]
    for candidate in candidates:
        if isinstance(candidate, int) and 400 <= candidate <= 599:  # noqa: PLR2004  (errors of HTTP)
            return int(candidate)
    return None


def _by_code(exception: BaseException) -> Kind | None:
    """By the name of a gRPC status, or a code that a vendor gives in words."""
    code = getattr(exception, "code", None)
    try:
        code = code() if callable(code) else code  # grpc.RpcError
    except Exception:
        return None
    response = getattr(exception, "response", None)
    words = [getattr(code, "name", code), getattr(exception, "error_code", None)]
    if isinstance(response, Mapping):
        words.append(response.get("Error", {}).get("Code"))
    for word in words:
        if isinstance(word, str) and (kind := _BY_WORD.get(_plain(word))) is not None:
            return kind
    return None


def _by_sqlstate(exception: BaseException) -> Kind | None:
    """By the class of a SQLSTATE (ISO/IEC 9075), and Snowflake's numbers where it gives none."""
    number = getattr(exception, "errno", None)
    if isinstance(number, int) and number in _SNOWFLAKE and _module(exception) == "snowflake":
        return _SNOWFLAKE[number]
    state = getattr(exception, "sqlstate", None) or getattr(exception, "pgcode", None)
    if not isinstance(state, str):
        return None
    return _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2])


def _is_about_arguments(exception: Exception) -> bool:
    """Whether Python's own exceptions say that what the task gave does not fit.

    A reply that can't be read is a ValueError, too, and nothing about the request.
    """
    if isinstance(exception, (json.JSONDecodeError, UnicodeError)):
        return False
    return isinstance(exception, (ValueError, TypeError, LookupError, AttributeError, AssertionError))


def _module(exception: BaseException) -> str:
    return type(exception).__module__.partition(".")[0]


def _plain(name: str) -> str:
    """A name in small letters, without what libraries write between and after its words."""
    return re.sub(r"[^a-z0-9]|(exception|error)$", "", name.lower())


_BY_WORD: dict[str, Kind] = {
    # gRPC's statuses, as grpc, google.api_core and Databricks name them
    "unauthenticated": AuthenticationError,
    "permissiondenied": PermissionDeniedError,
    "invalidargument": InvalidRequestError,
    "failedprecondition": InvalidRequestError,
    "outofrange": InvalidRequestError,
    "notfound": JobNotFoundError,
    "alreadyexists": ConflictError,
    "resourceexhausted": RateLimitedError,
    "unavailable": ServiceUnavailableError,
    "deadlineexceeded": DeadlineExceededError,
    # AWS (https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html)
    "accessdenied": PermissionDeniedError,
    "unauthorizedoperation": PermissionDeniedError,
    "authfailure": AuthenticationError,
    "unrecognizedclient": AuthenticationError,
    "invalidclienttokenid": AuthenticationError,
    "invalidaccesskeyid": AuthenticationError,
    "invalidsignature": AuthenticationError,
    "signaturedoesnotmatch": AuthenticationError,
    "expiredtoken": AuthenticationError,
    "missingauthenticationtoken": AuthenticationError,
    "validation": InvalidRequestError,
    "invalidparametervalue": InvalidRequestError,
    "throttling": RateLimitedError,
    "toomanyrequests": RateLimitedError,
    "requestlimitexceeded": RateLimitedError,
    # OpenAI, Databricks
    "invalidapikey": AuthenticationError,
    "insufficientquota": RateLimitedError,
    "invalidparameter": InvalidRequestError,
    "resourcedoesnotexist": JobNotFoundError,
    "temporarilyunavailable": ServiceUnavailableError,
}
"""Errors by codes in words, as `_plain` writes them."""

_BY_SQLSTATE: dict[str, Kind] = {
    "08": ServiceUnavailableError,
    "28": AuthenticationError,
    "42501": PermissionDeniedError,
    "42": InvalidRequestError,
    "22": InvalidRequestError,
    "02": InvalidRequestError,  # Snowflake: the object does not exist, or is not authorized
}

_SNOWFLAKE: dict[int, Kind] = {
    250001: AuthenticationError,  # the login was refused
    250003: ServiceUnavailableError,
    251001: InvalidRequestError,  # account, user and password are missing
    251005: InvalidRequestError,
    251006: InvalidRequestError,
    390100: AuthenticationError,
    390144: AuthenticationError,
}
"""Source: snowflake-connector-python, `errorcode.py`; 39xxxx are the server's."""

_BY_NAME: dict[str, Kind] = {
    "AuthenticationError": AuthenticationError,
    "AuthError": AuthenticationError,
    "ClientAuthenticationError": AuthenticationError,
    "CredentialRetrievalError": AuthenticationError,
    "DefaultCredentialsError": AuthenticationError,
    "HostKeyNotVerifiable": AuthenticationError,
    "InvalidCredentials": AuthenticationError,
    "KeyImportError": AuthenticationError,
    "NoAuthHandlerFound": AuthenticationError,
    "NoCredentialsError": AuthenticationError,
    "PartialCredentialsError": AuthenticationError,
    "ProfileNotFound": AuthenticationError,
    "RefreshError": AuthenticationError,
    "TokenRetrievalError": AuthenticationError,
    "Unauthenticated": AuthenticationError,
    "Unauthorized": AuthenticationError,
    "UnauthorizedSSOTokenError": AuthenticationError,
    "asyncssh.PermissionDenied": AuthenticationError,  # no way to authenticate is left
    "Forbidden": PermissionDeniedError,
    "PermissionDenied": PermissionDeniedError,
    "PermissionDeniedError": PermissionDeniedError,
    "BadRequest": InvalidRequestError,
    "BadRequestError": InvalidRequestError,
    "InvalidArgument": InvalidRequestError,
    "InvalidParameterValue": InvalidRequestError,
    "InvalidURL": InvalidRequestError,
    "MissingSchema": InvalidRequestError,
    "NoRegionError": InvalidRequestError,
    "ParamValidationError": InvalidRequestError,
    "ProgrammingError": InvalidRequestError,
    "UnsupportedProtocol": InvalidRequestError,
    "NotFound": JobNotFoundError,
    "NotFoundError": JobNotFoundError,
    "ResourceDoesNotExist": JobNotFoundError,
    "RateLimitError": RateLimitedError,
    "TooManyRequests": RateLimitedError,
    "DeadlineExceeded": DeadlineExceededError,
    "APIConnectionError": ServiceUnavailableError,
    "ConnectionError": ServiceUnavailableError,
    "ConnectionLost": ServiceUnavailableError,
    "DisconnectError": ServiceUnavailableError,
    "HTTPClientError": ServiceUnavailableError,
    "NetworkError": ServiceUnavailableError,
    "OperationalError": ServiceUnavailableError,
    "SSLError": ServiceUnavailableError,
    "ServerDisconnectedError": ServiceUnavailableError,
    "ServiceUnavailable": ServiceUnavailableError,
    "Timeout": ServiceUnavailableError,
    "TimeoutError": ServiceUnavailableError,
    "TimeoutException": ServiceUnavailableError,
    "TransportError": ServiceUnavailableError,
}
"""Errors by the names of classes: of Python, google.auth and google.api_core, botocore, requests, httpx, aiohttp,
asyncssh, openai, Databricks' SDK and the database clients of PEP 249."""

_NOT_SENT = frozenset(
    {
        "ClientConnectorError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectTimeoutError",
        "ConnectionRefusedError",
        "EndpointConnectionError",
        "NameResolutionError",
        "NewConnectionError",
        "gaierror",
    }
)
"""Names of classes that say that no connection came about."""
