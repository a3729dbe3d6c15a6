from __future__ import annotations

from collections.abc import Iterator

import pytest

from flyte_connectors_render.client import ENDPOINT_VARIABLE
from flyte_connectors_render.fake_service import FakeService


@pytest.fixture
def fake_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """The service, where the connector looks for it. Its jobs go on until a test ends them."""
    service = FakeService(seconds=3600)
    monkeypatch.setenv(ENDPOINT_VARIABLE, service.url)
    yield service
    service.close()
