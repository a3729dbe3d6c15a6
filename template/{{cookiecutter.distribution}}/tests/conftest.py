from __future__ import annotations

from collections.abc import Iterator

import pytest
{% if cookiecutter.fake_service %}

from {{ cookiecutter.__package }}.client import ENDPOINT_VARIABLE
from {{ cookiecutter.__fake_module }} import FakeService
{% else %}
from {{ cookiecutter.__fake_module }} import FakeService

from {{ cookiecutter.__package }}.client import ENDPOINT_VARIABLE
{% endif %}


@pytest.fixture
def fake_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    {% if cookiecutter.__jobs %}
    """The service, where the connector looks for it. Its jobs go on until a test ends them."""
    service = FakeService(seconds_per_text=3600)
    {% else %}
    """The service, where the connector looks for it."""
    service = FakeService()
    {% endif %}
    monkeypatch.setenv(ENDPOINT_VARIABLE, service.url)
    yield service
    service.close()
