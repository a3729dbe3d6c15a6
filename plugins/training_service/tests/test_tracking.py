"""Which tracking server a training may name; `mlflow/` has a real one."""

from __future__ import annotations

import pytest
from flyte_connectors_training_service.sources import DatasetError
from flyte_connectors_training_service.tracking import checked_tracking_uri


def test_the_operators_own_server_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """With whatever credentials the service has for it."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOWED_ENDPOINTS", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "canary")
    assert checked_tracking_uri({}) == "https://mlflow.example.org"
    assert checked_tracking_uri({"tracking_uri": "https://mlflow.example.org"}) == "https://mlflow.example.org"


@pytest.mark.parametrize("uri", ["http://169.254.169.254", "https://evil.example.net", "file:///etc", "sqlite:///x.db"])
def test_credentials_go_to_no_server_that_a_request_names(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does anything go to addresses inside, or to this machine's disk."""
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "canary")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(DatasetError, match=r"mlflow\.tracking_uri"):
        checked_tracking_uri({"tracking_uri": uri})


def test_a_server_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the request or the environment."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(DatasetError, match="the service has no MLFLOW_TRACKING_URI"):
        checked_tracking_uri({"experiment": "digits"})
