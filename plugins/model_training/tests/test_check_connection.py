"""Whether the platforms that the operator names answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from flyte_connectors.errors import ConnectorError
from flyte_connectors_model_training import ModelTrainingConnector

if TYPE_CHECKING:
    from conftest import ScriptedServer, ServiceProcess


def checked() -> list[str | Exception]:
    """What the hook returns."""
    return ModelTrainingConnector().check_connection()


def test_a_training_service_that_answers_is_named(service: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its URL; one that does not is an error beside it."""
    urls = f"{service.endpoint},http://127.0.0.1:1/jobs,{service.endpoint}/no/such"
    monkeypatch.setenv("FLYTE_MODEL_TRAINING_SERVICES", urls)
    fine, closed, lost = checked()
    assert str(fine).startswith(f"training service {service.endpoint} answered ")
    assert isinstance(closed, ConnectorError)
    assert "refused" in closed.message
    assert isinstance(lost, ConnectorError)
    assert "404" in lost.message


async def test_ray_is_asked_for_its_version(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its dashboard."""
    scripted.answer({"ray_version": "2.60.0"})
    url = scripted.endpoint.removesuffix("/jobs")
    monkeypatch.setenv("FLYTE_MODEL_TRAINING_RAY", url)
    assert await asyncio.to_thread(checked) == [f"Ray 2.60.0 at {url}"]
    assert scripted.requests[0].startswith("GET /api/version ")


def test_nothing_is_asked_where_nothing_is_set() -> None:
    """Tasks name their own platforms."""
    assert checked() == []
