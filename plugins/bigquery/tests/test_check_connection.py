"""Whether BigQuery answers the service's own credentials."""

from __future__ import annotations

import pytest
from bed.proxy import Front
from flyte_connectors.errors import AuthenticationError, ConnectorError
from flyte_connectors_bigquery import BigQueryConnector
from flyte_connectors_bigquery.settings import ALLOWED_PROJECTS_VARIABLE, EMULATOR_VARIABLE


def test_an_emulator_that_answers_is_named(front: Front) -> None:
    """Its address is the operator's setting."""
    assert BigQueryConnector().check_connection() == [f"BigQuery, the emulator {front.url}"]


def test_one_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, and with the reason."""
    monkeypatch.setenv(EMULATOR_VARIABLE, "http://127.0.0.1:1")
    with pytest.raises(ConnectorError, match=r"the emulator http://127.0.0.1:1"):
        BigQueryConnector().check_connection()


def test_credentials_are_missed_only_where_they_are_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Many services leave them to the tasks."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", ALLOWED_PROJECTS_VARIABLE, EMULATOR_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    assert BigQueryConnector().check_connection() == []
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such.json")
    with pytest.raises(AuthenticationError):
        BigQueryConnector().check_connection()
