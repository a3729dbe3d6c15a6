"""Errors on the wire: every class comes back as itself, whatever the status codes share."""

from __future__ import annotations

import inspect

import pytest
from flyte_connectors import errors
from flyte_connectors._dispatch.error_details import DOMAIN, pack, unpack
from flyte_connectors.errors import ConnectorError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

CLASSES = [cls for cls in vars(errors).values() if inspect.isclass(cls) and issubclass(cls, ConnectorError)]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("outcome_unknown", [True, False])
def test_every_class_comes_back(cls: type[ConnectorError], outcome_unknown: bool) -> None:
    """With its text, and what it knows of the outcome."""
    error = cls("what is wrong")
    error.outcome_unknown = outcome_unknown
    read = unpack(error.code, error.message, pack(error))
    assert type(read) is cls
    assert read.message == "what is wrong"
    assert read.outcome_unknown is outcome_unknown


def test_the_field_comes_back() -> None:
    """Once, not doubled in the text."""
    error = errors.InvalidResourceMetaError("damaged", field="resource_meta")
    read = unpack(error.code, error.message, pack(error))
    assert isinstance(read, errors.InvalidResourceMetaError)
    assert (read.field, read.message) == ("resource_meta", "resource_meta: damaged")


def test_a_class_of_a_plugin_travels_as_its_base() -> None:
    """The client need not have the plugin."""

    class QuotaError(errors.RateLimitedError):
        pass

    error = QuotaError("slow down")
    assert type(unpack(error.code, error.message, pack(error))) is errors.RateLimitedError


def test_other_clients_read_it() -> None:
    """As AIP-193 says: a Status of the same code and text, with an ErrorInfo."""
    status = Status.FromString(pack(errors.ConnectorNotFoundError("no connector for 'x'")))
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, status.message) == (5, "no connector for 'x'")
    assert (info.reason, info.domain) == ("CONNECTOR_NOT_FOUND", DOMAIN)


def test_a_long_text_fits_the_metadata() -> None:
    """Clients read 8 KiB of them."""
    error = errors.InvalidRequestError("x" * 100_000, field="y" * 100_000)
    assert len(pack(error)) < 5000


@given(st.sampled_from(["NOT_FOUND", "INTERNAL", "UNKNOWN", "CANCELLED"]), st.binary())
def test_foreign_details_are_left_alone(code: str, details: bytes) -> None:
    """Then the code decides, as for a service that sends none."""
    assert type(unpack(code, "text", details)) is type(unpack(code, "text", None))
    assert type(unpack("NOT_FOUND", "text", None)) is errors.JobNotFoundError


def test_a_reason_of_a_later_release_is_read_by_its_code() -> None:
    """And so is one that does not fit its code."""
    error = errors.ServiceUnavailableError("away")
    details = pack(error).replace(b"SERVICE_UNAVAILABLE", b"SERVICE_IS_ON_LEAVE")
    assert type(unpack("UNAVAILABLE", "away", details)) is errors.ServiceUnavailableError
    assert type(unpack("NOT_FOUND", "away", pack(error))) is errors.JobNotFoundError
