"""The rules of every connector, on a real Slurm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import template
from flyte_connectors import NativeInterface
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest
from slurm_jobs import use
from slurm_service import SlurmService

from flyte_connectors_batch_job import BatchJobConnector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.timeout(120)

VALUES: dict[Any, Any] = {int: 2**53 + 1, str: "Żółć '\"\\ $PATH \n", list[int]: [1, 2]}


class TestSlurmJobs(ConnectorConformance):
    """The connector of task type `batch_job`, on Slurm."""

    @pytest.fixture
    def service(self, cluster: SlurmCluster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmService]:
        use(monkeypatch, cluster, folder)
        service = SlurmService(cluster, folder)
        monkeypatch.setenv("PATH", service.path)
        yield service
        service.come_back()
        cluster.run("scancel", "--me")

    @pytest.fixture
    def connector(self) -> Callable[[], BatchJobConnector]:
        return BatchJobConnector

    @pytest.fixture
    def good_request(self, service: SlurmService) -> CreateTaskRequest:
        task = template(script=service.script, memory="50Mi")
        return CreateTaskRequest(template=task, output_prefix="file:///nowhere")

    @pytest.fixture
    def other_request(self) -> CreateTaskRequest:
        return CreateTaskRequest(template=template(script="true"), output_prefix="file:///nowhere")

    @pytest.fixture
    def typed_requests(self, good_request: CreateTaskRequest) -> dict[str, CreateTaskRequest]:
        return {str(kind): _with_input(good_request, kind, VALUES[kind]) for kind in VALUES}

    @pytest.fixture
    def bad_requests(self) -> dict[str, CreateTaskRequest]:
        wrong = {
            "custom.script": {"script": " "},
            "custom.timeout_seconds": {"timeout_seconds": -1},
            "custom.image": {"script": "true", "image": "python:3.13"},
        }
        return {
            field: CreateTaskRequest(template=template(**fields), output_prefix="file:///nowhere")
            for field, fields in wrong.items()
        }


def _with_input(request: CreateTaskRequest, kind: Any, value: object) -> CreateTaskRequest:
    """A copy of `request` whose task has one input."""
    interface = NativeInterface({"value": kind}, {})
    copy = CreateTaskRequest(inputs=interface.write_inputs("batch", {"value": value}))
    copy.template.CopyFrom(request.template)
    copy.template.interface.CopyFrom(interface.to_proto())
    return copy
