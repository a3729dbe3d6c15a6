"""The connector keeps the rules that Flyte relies on."""

from __future__ import annotations

import pytest
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest

from flyte_connectors_render import (
    RenderConfig,
    RenderTask,
)
from flyte_connectors_render.connector import RenderConnector
from flyte_connectors_render.fake_service import FakeService


def job_request(samples: int = 64, scene: str = "a tree", **custom: str) -> CreateTaskRequest:
    task = RenderTask("draw", RenderConfig(samples))
    template = task.to_proto()
    template.custom.update(custom)
    inputs = task.interface.write_inputs("draw", {"scene": scene})
    return CreateTaskRequest(template=template, inputs=inputs, output_prefix="file:///nowhere")


@pytest.mark.usefixtures("fake_service")
class TestRenderConnector(ConnectorConformance):
    @pytest.fixture
    def service(self, fake_service: FakeService) -> FakeService:
        return fake_service

    @pytest.fixture
    def connector(self) -> type[RenderConnector]:
        return RenderConnector

    @pytest.fixture
    def good_request(self) -> CreateTaskRequest:
        return job_request()

    @pytest.fixture
    def other_request(self) -> CreateTaskRequest:
        return job_request(scene="a house")

    @pytest.fixture
    def bad_requests(self) -> dict[str, CreateTaskRequest]:
        return {
            "custom.samples": job_request(samples=0),
            "custom.speed": job_request(speed="high"),
            "inputs.scene": job_request(scene=""),
        }

    @pytest.fixture
    def secrets(self) -> dict[str, str]:
        return {"api_key": "a key that must not leak"}
