"""The page "Core Plugin System & Connector Framework": shim tasks, and connectors of both kinds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    ConnectorRegistry,
    ConnectorShimExecutor,
    ExecutableTemplateShimTask,
    NativeInterface,
    Resource,
    SerializationContext,
    SyncConnectorExecutorMixin,
    TaskPlugins,
    TaskTemplate,
    TaskTemplateResolver,
)
from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyteidl2.core.execution_pb2 import ContainerError, ErrorDocument
from flyteidl2.task.common_pb2 import Outputs

from tests.service.client import Client
from tests.specification import pages
from tests.specification.running import create_request, running_on, serving_here

PAGE = "plugin_system"
LARGE = 1_000_000


class SyncTask(SyncConnectorExecutorMixin, TaskTemplate):
    """A task of the page's sync connector."""

    def __init__(self, **kwargs: Any) -> None:
        interface = NativeInterface({"text": str}, {"sync_output": str})
        super().__init__("my_sync_task", interface, "my_sync_task", **kwargs)


class AsyncTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task of the page's async connector."""

    def __init__(self, name: str = "my_async_task", **kwargs: Any) -> None:
        interface = NativeInterface(outputs={"async_output": str})
        super().__init__(name, interface, "my_async_task", **kwargs)


def my_task(page: Any) -> Any:
    """The page's example usage, which it shows in a comment."""
    config = page.MyCustomTaskConfig(message="Hello from config!")
    return page.MyCustomTask(name="my_first_custom_task", config=config)


def test_a_shim_task_runs_from_its_template(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Called here, its executor sees what a container would: the template, and the inputs."""
    page = load(PAGE, "1_executor", "2_container_task")
    assert my_task(page)(input_key="a value") == "Processed a value"
    printed = capsys.readouterr().out
    assert "Hello from config!" in printed
    assert "Inputs: {'input_key': 'a value'}" in printed


def test_only_the_serialized_template_is_needed(load: Any) -> None:
    """The resolver loads an executable template, never the task that it was made of."""
    page = load(PAGE, "1_executor", "2_container_task")
    task = my_task(page)
    template = task.to_proto()
    assert template.container.image == "my-custom-image:latest"
    assert template.custom["config_message"] == "Hello from config!"
    loaded = TaskTemplateResolver.load_task(TaskTemplateResolver.loader_args(task), template)
    assert isinstance(loaded, ExecutableTemplateShimTask)
    assert loaded.executor_type is page.MyCustomExecutor
    assert loaded.execute(input_key="x") == {"output_key": "Processed x"}


def execute_in_a_container(page: Any, folder: Path, inputs: Any) -> subprocess.CompletedProcess[str]:
    """The container's command, as the template has it, in a process that knows the executor only."""
    task = my_task(page)
    paths = {
        "{{.taskTemplatePath}}": str(folder / "template.pb"),
        "{{.input}}": str(folder / "inputs.pb"),
        "{{.outputPrefix}}": str(folder / "outputs"),
    }
    (folder / "my_executor.py").write_text(pages.source(PAGE, "1_executor"))
    page.MyCustomExecutor.__module__ = "my_executor"
    template = task.to_proto(SerializationContext(version="1"))
    (folder / "template.pb").write_bytes(template.SerializeToString())
    (folder / "inputs.pb").write_bytes(inputs.SerializeToString())
    command, *arguments = [paths.get(word, word) for word in template.container.args]
    assert command == "flyte-connectors"
    return subprocess.run(
        [sys.executable, "-m", "flyte_connectors", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_container_writes_the_outputs(load: Any, tmp_path: Path) -> None:
    """`flyte-connectors execute` in a process of its own."""
    page = load(PAGE, "1_executor", "2_container_task")
    inputs = my_task(page).interface.write_inputs("t", {"input_key": "a value"})
    ended = execute_in_a_container(page, tmp_path, inputs)
    assert ended.returncode == 0, ended.stderr
    outputs = Outputs.FromString((tmp_path / "outputs" / "outputs.pb").read_bytes())
    assert my_task(page).interface.read_outputs("t", outputs) == {"output_key": "Processed a value"}


def test_a_container_reports_its_error(load: Any, tmp_path: Path) -> None:
    """A missing input ends in `error.pb`, which names it, and exit code 1."""
    page = load(PAGE, "1_executor", "2_container_task")
    ended = execute_in_a_container(page, tmp_path, NativeInterface().write_inputs("t", {}))
    assert ended.returncode == 1
    error = ErrorDocument.FromString((tmp_path / "outputs" / "error.pb").read_bytes()).error
    assert "inputs.input_key: missing: task 'my_first_custom_task' declares it" in error.message
    assert error.kind == ContainerError.NON_RECOVERABLE


def test_a_configuration_finds_its_task_class(load: Any) -> None:
    """`TaskPlugins`, which the page mentions."""
    page = load(PAGE, "1_executor", "2_container_task")
    TaskPlugins.register_pythontask_plugin(page.MyCustomTaskConfig, page.MyCustomTask)
    assert TaskPlugins.find_pythontask_plugin(page.MyCustomTaskConfig) is page.MyCustomTask
    with pytest.raises(InvalidRequestError, match="configures MyCustomTask already"):
        TaskPlugins.register_pythontask_plugin(page.MyCustomTaskConfig, SyncTask)


@pytest.mark.parametrize("place", ["local", "service"])
async def test_the_sync_connector_answers_at_once(place: str, load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Through `SyncConnectorExecutorMixin`, here and over gRPC."""
    page = load(PAGE, "3_category", "4_connectors")
    async with running_on(place, page.MySyncConnector):
        assert await SyncTask().execute(text="hi") == "hello from sync connector"
    assert "Executing sync task: my_sync_task" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["local", "service"])
async def test_a_large_result_of_a_sync_connector_goes_through_the_output_prefix(place: str, load: Any) -> None:
    """A megabyte is too much for a meta that the back end stores; the caller sees no difference."""
    page = load(PAGE, "4_connectors")

    class Large(page.MySyncConnector):
        def do(self, task_template: Any, output_prefix: str, inputs: Any, **kwargs: Any) -> Resource:
            super().do(task_template, output_prefix, inputs, **kwargs)
            text = inputs.literals["text"].scalar.primitive.string_value
            return Resource(phase=3, outputs={"sync_output": text * LARGE})

    async with running_on(place, Large()):
        assert await SyncTask().execute(text="x") == "x" * LARGE
    async with serving_here(Large()) as address, Client(address) as client:
        request = create_request(SyncTask(), text="x")
        job = await client.send(request)
        assert len(job.meta) < 1000
        assert not (await job.get()).outputs.literals
        await job.delete()
    stored = Path(request.output_prefix.removeprefix("file://")) / "outputs.pb"
    assert stored.stat().st_size > LARGE


def test_the_page_registers_both_connectors(load: Any) -> None:
    """With their categories."""
    page = load(PAGE, "3_category", "4_connectors", "5_register")
    assert str(page.my_task_category) == "'my_external_job' version 1"
    listed = ConnectorRegistry.list_connectors()
    assert [entry.name for entry in listed] == ["MySyncConnector", "MyAsyncConnector"]


@pytest.mark.parametrize("place", ["local", "service"])
async def test_the_async_connector_runs_until_the_task_gives_up(
    place: str, load: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its job never completes as printed; a timeout ends the run and deletes the job."""
    page = load(PAGE, "4_connectors")
    async with running_on(place, page.MyAsyncConnector()):
        with pytest.raises(TaskFailedError, match=r"timed out after 0\.2 s; its job was cancelled"):
            await AsyncTask(timeout=0.2).execute()
    # The run loop deletes it, and a service perhaps, too, which enforces the limit by itself.
    assert "Deleting job: job-" in capsys.readouterr().out


async def test_the_async_connector_completes(load: Any) -> None:
    """A job whose id ends with `completed` succeeds, as the page's simplified logic has it."""
    page = load(PAGE, "4_connectors")

    class Completing(page.MyAsyncConnector):
        def create(self, *args: Any, **kwargs: Any) -> Any:
            meta = super().create(*args, **{"task_execution_metadata": None, **kwargs})
            return page.MyAsyncResourceMeta(job_id=f"{meta.job_id}-completed")

    async with running_on("service", Completing()):
        assert (await AsyncTask().execute()).endswith("-completed finished")


def test_an_executor_hands_its_task_to_the_connector(load: Any) -> None:
    """The page's last part: the executor finds the connector of the task type in the registry."""
    page = load(PAGE, "2_container_task", "4_connectors")
    ConnectorRegistry.register(page.MySyncConnector)

    class QueryTask(page.PythonCustomizedContainerTask[page.MyCustomTaskConfig]):
        def __init__(self) -> None:
            interface = NativeInterface({"text": str}, {"sync_output": str})
            super().__init__(
                name="query",
                task_config=page.MyCustomTaskConfig("select 1"),
                container_image="my-custom-image:latest",
                executor_type=ConnectorShimExecutor,
                task_type="my_sync_task",
                interface=interface,
            )

    assert QueryTask()(text="hi") == "hello from sync connector"
