"""The page "Core Connector Framework": flytekit's surface, as far as it is ours."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
from flyte_connectors import (
    AsyncConnector,
    ConnectorRegistry,
    Phase,
    Resource,
    TaskCategory,
    TaskTemplate,
)
from flyte_connectors.errors import ConnectorNotFoundError, DuplicateTaskTypeError, TaskFailedError
from flyte_connectors.io.storage import join, write_bytes
from flyte_connectors.tasks.calls import run_in_thread
from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse
from flyteidl2.core.literals_pb2 import Literal, LiteralMap, Primitive, Scalar
from flyteidl2.core.metrics_pb2 import ExecutionMetricResult
from flyteidl2.task.common_pb2 import Outputs

from tests.service.client import Client
from tests.specification.running import create_request, running_on, serving_here

PAGE = "connector_framework"
TASK_TYPE = ("my_custom_task_type", 1)


def literal(text: str) -> Literal:
    return Literal(scalar=Scalar(primitive=Primitive(string_value=text)))


def text_of(inputs: Any) -> str:
    """The input, as flytekit's connectors read it."""
    text: str = inputs.literals["input_str"].scalar.primitive.string_value
    return text


async def run_task(page: Any) -> Any:
    """The result of the page's task, which is a plain method, while this loop serves."""
    return await run_in_thread(page.MyConnectorTask().execute, {"input_str": "hello"})


def writing(page: Any) -> AsyncConnector[Any]:
    """The page's connector, with a job that writes its outputs where the page says it must."""

    class Writing(page.MyAsyncConnector):
        def create(self, task_template: Any, output_prefix: str, inputs: Any, **kwargs: Any) -> Any:
            outputs = Outputs()
            outputs.literals.add(name="output_str", value=literal(text_of(inputs).upper()))
            write_bytes(join(output_prefix, "outputs.pb"), outputs.SerializeToString())
            arguments = {"task_execution_metadata": None, **kwargs}
            return super().create(task_template, output_prefix, inputs, **arguments)

    return Writing(*TASK_TYPE)


def reporting(page: Any, outputs: Any) -> AsyncConnector[Any]:
    """The page's connector, with a job that reports outputs, details and metrics."""

    class Reporting(page.MyAsyncConnector):
        def get(self, resource_meta: Any, **kwargs: Any) -> Resource:
            info = {"job": resource_meta.job_id, "attempts": [1, 2]}
            return Resource(phase=Phase.SUCCEEDED, outputs=outputs, custom_info=info)

        def get_metrics(
            self, resource_meta: Any, queries: list[str], start_time: Any, step: Any, **kwargs: Any
        ) -> GetTaskMetricsResponse:
            asked = f"{resource_meta.job_id} {queries} {start_time:%Y} {step.total_seconds():g}"
            return GetTaskMetricsResponse(results=[ExecutionMetricResult(metric=asked)])

    return Reporting(*TASK_TYPE)


def test_the_page_registers_its_connector(load: Any) -> None:
    """What it was constructed with is what the registry says."""
    page = load(PAGE, "1_connector")
    connector = ConnectorRegistry.get_connector(*TASK_TYPE)
    assert isinstance(connector, page.MyAsyncConnector)
    assert connector.task_category == TaskCategory(name="my_custom_task_type", version=1)
    assert connector.metadata_type is page.MyJobMeta
    listed = ConnectorRegistry.list_connectors()
    assert [entry.name for entry in listed] == ["MyCustomAsyncConnector"]
    metadata = ConnectorRegistry.get_connector_metadata("MyCustomAsyncConnector")
    category = metadata.supported_task_categories[0]
    assert (category.name, category.version) == TASK_TYPE
    with pytest.raises(ConnectorNotFoundError, match=r"no connector for task type .* version 0"):
        ConnectorRegistry.get_connector("my_custom_task_type")
    with pytest.raises(ConnectorNotFoundError, match="known: MyCustomAsyncConnector"):
        ConnectorRegistry.get_connector_metadata("Other")


def test_a_category_has_one_connector(load: Any) -> None:
    """Another version is another category."""
    page = load(PAGE, "1_connector")
    with pytest.raises(DuplicateTaskTypeError, match="is already served by MyCustomAsyncConnector"):
        ConnectorRegistry.register(page.MyAsyncConnector(*TASK_TYPE))
    ConnectorRegistry.register(page.MyAsyncConnector("my_custom_task_type", task_type_version=2))
    versions = ConnectorRegistry.list_connectors()[0].supported_task_categories
    assert [category.version for category in versions] == [1, 2]


def test_the_workflow_reads_what_the_job_wrote(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """As printed: `my_connector_workflow(input_val="hello world")`; outputs come from the prefix."""
    page = load(PAGE, "1_connector", "2_task")
    ConnectorRegistry.register(writing(page), override=True)
    assert page.my_connector_workflow(input_val="hello world") == "HELLO WORLD"
    printed = capsys.readouterr().out
    assert "Creating external job for task type: my_custom_task_type" in printed
    literals = json.loads(re.findall(r"Inputs: (.*)", printed)[0])["literals"]
    assert literals["input_str"]["scalar"]["primitive"] == {"stringValue": "hello world"}


@pytest.mark.parametrize("place", ["local", "service"])
async def test_a_job_without_any_outputs_fails_with_the_place_to_write_them(place: str, load: Any) -> None:
    """The page's connector as printed neither returns nor writes the declared output."""
    page = load(PAGE, "1_connector", "2_task")
    async with running_on(place, page.MyAsyncConnector(*TASK_TYPE)):
        with pytest.raises(TaskFailedError, match=r"'my_connector_task' .* nor wrote .*outputs\.pb"):
            await run_task(page)


@pytest.mark.parametrize("place", ["local", "service"])
@pytest.mark.parametrize(
    "outputs",
    [{"output_str": "done"}, LiteralMap(literals={"output_str": literal("done")})],
    ids=["dict", "LiteralMap"],
)
async def test_outputs_are_python_values_or_literals(place: str, outputs: Any, load: Any) -> None:
    """A dict is converted by the task's interface, a LiteralMap is taken as it is."""
    page = load(PAGE, "1_connector", "2_task")
    async with running_on(place, reporting(page, outputs)):
        assert await run_task(page) == "done"


async def test_details_and_metrics_travel(load: Any) -> None:
    """`custom_info` with the resource; metrics with the queries and the range asked for."""
    page = load(PAGE, "1_connector", "2_task")
    connector = reporting(page, {"output_str": "done"})
    async with serving_here(connector) as address, Client(address) as client:
        job = await client.send(create_request(page.MyConnectorTask(), input_str="hello"))
        resource = await job.get()
        start = datetime(2024, 5, 1, tzinfo=timezone.utc)
        step = timedelta(seconds=30)
        metrics = await job.metrics(queries=["cpu"], start_time=start, step=step)
    assert dict(resource.custom_info) == {"job": "my-external-job-123", "attempts": [1, 2]}
    assert metrics.results[0].metric == "my-external-job-123 ['cpu'] 2024 30"


async def test_a_connector_without_metrics_says_so(load: Any) -> None:
    """UNIMPLEMENTED, with the connector's name."""
    page = load(PAGE, "1_connector", "2_task")
    connector = page.MyAsyncConnector(*TASK_TYPE)
    async with serving_here(connector) as address, Client(address) as client:
        job = await client.send(create_request(page.MyConnectorTask(), input_str="hello"))
        with pytest.raises(grpc.aio.AioRpcError, match=r"MyCustomAsyncConnector .* does not support get_metrics"):
            await job.metrics()


def test_the_mock_of_the_page_is_a_template_too(load: Any) -> None:
    """Nothing calls it, and it is not the worse for that."""
    page = load(PAGE, "2_task")
    template = page.MyConnectorTask()._get_full_task_template()
    assert (template.type, template.task_type_version) == TASK_TYPE
    assert [variable.key for variable in template.interface.inputs.variables] == ["input_str"]


def test_a_mixin_without_a_task_names_what_is_missing() -> None:
    """`TaskTemplate` alone does not run anywhere."""
    from flyte_connectors import NativeInterface

    with pytest.raises(NotImplementedError, match="inherit from an executor mixin"):
        TaskTemplate("bare", NativeInterface())()
