"""What a test of a reference connector, or of a mutant of it, gives to the kit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flyte_connectors import NativeInterface
from flyte_connectors.registry import Registry
from flyte_connectors.tasks.template import TaskTemplate
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector import connector_pb2 as pb
from kit_reference import MemoryService, ReferenceConnector

INSTALLED = Path(__file__).parent / "installed"


class Suite(ConnectorConformance):
    """The kit, for a subclass of a reference connector."""

    connector_class: ClassVar[Any] = ReferenceConnector

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch: pytest.MonkeyPatch, process_registry: Registry) -> None:
        """For as long as a test runs, the reference connectors are an installed plugin."""
        monkeypatch.syspath_prepend(str(INSTALLED))

    @pytest.fixture
    def service(self) -> MemoryService:
        return MemoryService()

    @pytest.fixture
    def connector(self, service: MemoryService) -> Callable[[], Any]:
        return lambda: self.connector_class(service)

    @pytest.fixture
    def good_request(self) -> pb.CreateTaskRequest:
        return request_for(self.connector_class, rows=3)

    @pytest.fixture
    def bad_requests(self) -> dict[str, pb.CreateTaskRequest]:
        return {"custom.rows": request_for(self.connector_class, rows=0)}


def request_for(connector: Any, rows: int) -> pb.CreateTaskRequest:
    """A request for a reference connector, which wants a number of rows over 0."""
    interface = NativeInterface({}, {"count": int})
    task = TaskTemplate("count", interface, connector.task_type_name).to_proto()
    task.custom.update({"rows": rows})
    return pb.CreateTaskRequest(template=task, output_prefix="file:///nowhere")
