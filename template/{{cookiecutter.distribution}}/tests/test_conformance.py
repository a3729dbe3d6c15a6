"""The connector{{ 's keep' if cookiecutter.connector == 'both' else ' keeps' }} the rules that Flyte relies on."""

from __future__ import annotations

import pytest
{% if cookiecutter.__jobs and not cookiecutter.fake_service %}
from fake_service import FakeService
{% endif %}
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest

from {{ cookiecutter.__package }} import (
    {{ cookiecutter.__class }}Config,
    {% if cookiecutter.connector == 'both' %}
    {{ cookiecutter.__class }}EstimateTask,
    {% endif %}
    {{ cookiecutter.__class }}Task,
)
{% if cookiecutter.__jobs %}
from {{ cookiecutter.__package }}.connector import {{ cookiecutter.__class }}Connector
{% endif %}
{% if cookiecutter.__quick %}
from {{ cookiecutter.__package }}.{{ cookiecutter.__quick }} import {{ cookiecutter.__quick_class }}Connector
{% endif %}
{% if cookiecutter.__jobs and cookiecutter.fake_service %}
from {{ cookiecutter.__fake_module }} import FakeService
{% endif %}
{% if cookiecutter.__jobs %}


def job_request(repeat: int = 1000, text: str = "Hello", **custom: str) -> CreateTaskRequest:
    task = {{ cookiecutter.__class }}Task("say", {{ cookiecutter.__class }}Config(repeat))
    template = task.to_proto()
    template.custom.update(custom)
    inputs = task.interface.write_inputs("say", {"text": text})
    return CreateTaskRequest(template=template, inputs=inputs, output_prefix="file:///nowhere")


@pytest.mark.usefixtures("fake_service")
class Test{{ cookiecutter.__class }}Connector(ConnectorConformance):
    @pytest.fixture
    def service(self, fake_service: FakeService) -> FakeService:
        return fake_service

    @pytest.fixture
    def connector(self) -> type[{{ cookiecutter.__class }}Connector]:
        return {{ cookiecutter.__class }}Connector

    @pytest.fixture
    def good_request(self) -> CreateTaskRequest:
        return job_request()

    @pytest.fixture
    def other_request(self) -> CreateTaskRequest:
        return job_request(text="Good evening")

    @pytest.fixture
    def bad_requests(self) -> dict[str, CreateTaskRequest]:
        return {
            "custom.repeat": job_request(repeat=0),
            "custom.speed": job_request(speed="high"),
            "inputs.text": job_request(text=""),
        }

    @pytest.fixture
    def secrets(self) -> dict[str, str]:
        return {"api_token": "a token that must not leak"}
{% endif %}
{% if cookiecutter.__quick %}


def {{ 'estimate_' if cookiecutter.__jobs else '' }}request(repeat: int = 3, **custom: str) -> CreateTaskRequest:
    task = {{ cookiecutter.__quick_class }}Task("ask", {{ cookiecutter.__class }}Config(repeat))
    template = task.to_proto()
    template.custom.update(custom)
    return CreateTaskRequest(template=template, output_prefix="file:///nowhere")


@pytest.mark.usefixtures("fake_service")
class Test{{ cookiecutter.__quick_class }}Connector(ConnectorConformance):
    @pytest.fixture
    def connector(self) -> type[{{ cookiecutter.__quick_class }}Connector]:
        return {{ cookiecutter.__quick_class }}Connector

    @pytest.fixture
    def good_request(self) -> CreateTaskRequest:
        return {{ 'estimate_' if cookiecutter.__jobs else '' }}request()

    @pytest.fixture
    def bad_requests(self) -> dict[str, CreateTaskRequest]:
        return {
            "custom.repeat": {{ 'estimate_' if cookiecutter.__jobs else '' }}request(repeat=0),
            "custom.speed": {{ 'estimate_' if cookiecutter.__jobs else '' }}request(speed="high"),
        }

    @pytest.fixture
    def secrets(self) -> dict[str, str]:
        return {"api_token": "a token that must not leak"}
{% endif %}
