"""What a test of a reference connector, or of a mutant of it, gives to the kit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flyte_connectors import NativeInterface
from flyte_connectors._registry.table import Registry
from flyte_connectors.tasks.template import TaskTemplate
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector import connector_pb2 as pb
from kit_reference import MemoryService, ReferenceConnector

VALUES: dict[Any, Any] = {
    int: 2**53 + 1,
    float: 0.1,
    bool: True,
    str: "Żółć '\"\\ \n",
    list[int]: [1, 2],
    dict: {"a": [None, 1.5]},
}
"""A value of each type of input that tends to be mistreated."""

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

    @pytest.fixture
    def other_request(self) -> pb.CreateTaskRequest:
        return request_for(self.connector_class, rows=4)

    @pytest.fixture
    def typed_requests(self) -> dict[str, pb.CreateTaskRequest]:
        return {
            str(kind): request_for(self.connector_class, rows=3, value=(kind, value)) for kind, value in VALUES.items()
        }

    @pytest.fixture
    def golden_metas(self) -> dict[bytes, dict[str, object]]:
        return {b'{"job": "a-job"}': {"job": "a-job"}}


def request_for(connector: Any, rows: int, **inputs: tuple[Any, Any]) -> pb.CreateTaskRequest:
    """A request for a reference connector, which wants a number of rows over 0.

    Args:
        connector: The connector.
        rows: The number.
        **inputs: Type and value of each input.
    """
    interface = NativeInterface({name: kind for name, (kind, _) in inputs.items()}, {"count": int})
    values = {name: value for name, (_, value) in inputs.items()}
    task = TaskTemplate("count", interface, connector.task_type_name).to_proto()
    task.custom.update({"rows": rows})
    return pb.CreateTaskRequest(
        template=task,
        inputs=interface.write_inputs("count", values),
        output_prefix="file:///nowhere",
    )
