"""Errors on the wire: the status code, and a `google.rpc.ErrorInfo` with what the code does not say.

Two classes share NOT_FOUND, and programs must not parse messages to distinguish them. So the trailing metadata
`grpc-status-details-bin` hold a `google.rpc.Status` with an `ErrorInfo` (https://google.aip.dev/193): its
reason is the class's name, `CONNECTOR_NOT_FOUND`. grpc-go (`status.Details()`), `grpcio-status` and the client
of this package read it; other clients see code and message as before.

Imported when the first error travels.
"""

from __future__ import annotations

import re

from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from flyte_connectors import errors
from flyte_connectors._calls.texts import shortened_status
from flyte_connectors.errors import ConnectorError

KEY = "grpc-status-details-bin"
"""Name of the trailing metadata, as gRPC's libraries have it."""

DOMAIN = "flyte-connectors"
_LONGEST = 100  # characters of a field's name; all metadata share 8 KiB


def _reason(cls: type[ConnectorError]) -> str:
    name = cls.__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


_BY_REASON: dict[str, type[ConnectorError]] = {
    _reason(cls): cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, ConnectorError)
}
_BY_CODE: dict[str, type[ConnectorError]] = {
    cls.code: cls
    for cls in (
        errors.InternalError,
        errors.DeadlineExceededError,
        errors.ServiceUnavailableError,
        errors.RateLimitedError,
        errors.ConflictError,
        errors.JobNotFoundError,
        errors.PermissionDeniedError,
        errors.AuthenticationError,
        errors.UnsupportedVerbError,
        errors.InvalidRequestError,
    )
}
_BY_CODE["CANCELLED"] = errors.ServiceUnavailableError  # what calls meet that a server closes on
_BY_CODE["FAILED_PRECONDITION"] = ConnectorError


def pack(error: ConnectorError) -> bytes:
    """What goes into the trailing metadata under `KEY`."""
    known = next(cls for cls in type(error).__mro__ if _BY_REASON.get(_reason(cls)) is cls)
    info = ErrorInfo(reason=_reason(known), domain=DOMAIN)
    info.metadata["outcome_unknown"] = str(error.outcome_unknown).lower()
    if isinstance(error, errors.InvalidRequestError) and error.field:
        info.metadata["field"] = error.field[:_LONGEST]
    detail = Any()
    detail.Pack(info)
    status = Status(code=Code.Value(error.code), message=shortened_status(error.message), details=[detail])
    data: bytes = status.SerializeToString()
    return data


def unpack(code: str, text: str, details: bytes | None) -> ConnectorError:
    """The error that a service answered with.

    Args:
        code: Name of the status code.
        text: Its text.
        details: What came under `KEY`; None if nothing, as from other services.
    """
    info = _info(details) if details else None
    if info is None:
        return _BY_CODE.get(code, errors.InternalError)(text)
    cls = _BY_REASON.get(info.reason)
    if cls is None or cls.code != code:  # a later release's
        cls = _BY_CODE.get(code, errors.InternalError)
    error = cls(text)
    error.outcome_unknown = info.metadata.get("outcome_unknown", "true") == "true"
    if isinstance(error, errors.InvalidRequestError):
        error.field = info.metadata.get("field")
    return error


def _info(details: bytes) -> ErrorInfo | None:
    try:
        status = Status.FromString(details)
        for detail in status.details:
            info = ErrorInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                return info
    except DecodeError:  # a proxy's, or another format
        pass
    return None
