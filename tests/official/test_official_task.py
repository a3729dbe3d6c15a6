"""Our tasks as tasks of the official SDK: what it sends to the back end, and how it runs them here."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Optional

import flyte
import pytest
from flyte._internal.runtime.convert import convert_upload_default_inputs
from flyte._internal.runtime.task_serde import translate_task_to_wire
from flyte.models import SerializationContext as OfficialContext
from flyte.types import TypeEngine
from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    DataFrame,
    Dir,
    File,
    NativeInterface,
    Resources,
    Secret,
    SerializationContext,
    SyncConnectorExecutorMixin,
    TaskTemplate,
)
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.types import codec_for_type
from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask
from flyte_connectors_official.offering.official_task import as_official_task
from flyte_connectors_official.official_references import as_official, as_official_type, as_ours
from flyteidl2.core.interface_pb2 import TypedInterface, VariableMap
from flyteidl2.core.tasks_pb2 import Sql
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.interop.strategies import Color, Point
from tests.official import our_jobs  # noqa: F401 - registers them

WHERE = {"version": "v1", "project": "p", "domain": "d", "org": "o"}


class OurTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """As an author writes it."""

    def __init__(self, name: str, interface: NativeInterface, *, folder: str, **kwargs: Any) -> None:
        super().__init__(name, interface, "our_file", **kwargs)
        self.folder = folder

    def custom_config(self, sctx: SerializationContext) -> Mapping[str, Any]:
        return {
            "folder": self.folder,
            "project": sctx.project,
            "numbers": [1, 2.5, None, {"deep": True}],
            "secrets": {"api_key": "THE_KEY"},
        }


class OurQuery(AsyncConnectorExecutorMixin, TaskTemplate):
    """With a statement, and with nothing in `custom`."""

    def sql(self, sctx: SerializationContext) -> Sql:
        return Sql(statement=f"SELECT 1 -- {sctx.domain}", dialect=Sql.ANSI)


class OurSyncTask(SyncConnectorExecutorMixin, TaskTemplate):
    """Of a connector that answers at once."""


TASKS = [
    BatchJobTask(
        name="line_count",
        plugin_config=BatchJobConfig(script='wc -l < "$BATCH_JOB_INPUT_FILE"'),
        inputs={"file": str, "again": (int, 1)},
        outputs={"lines": str},
        retries=2,
        timeout=90,
    ),
    OurTask(
        "everything",
        NativeInterface(
            {
                "number": int,
                "file": File,
                "maybe": (Dir | None, None),
                "tables": dict[str, list[DataFrame]],
                "pair": tuple[File, Optional[DataFrame]],  # noqa: UP045 - tested on purpose
                "point": (Point, Point(1)),
                "color": (Color, Color.RED),
            },
            {"ratio": float, "file": File, "given": str},
        ),
        folder="/f",
        image="ghcr.io/acme/tool:1",
        task_type_version=3,
        timeout=1.5,
        env_vars={"A": "b"},
        resources=Resources(cpu="500m", memory=("1Gi", "2Gi")),
        secrets=[Secret("key", group="group", as_env_var="KEY")],
        cache=True,
        cache_version="7",
        interruptible=True,
    ),
    OurQuery("query", NativeInterface({}, {"results": DataFrame}), "our_query", 1),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_sdk_sends_what_we_send(task: TaskTemplate) -> None:
    """Whatever of a template concerns a connector, in the messages of the SDK's own serialization."""
    official = as_official_task(task)
    flyte.TaskEnvironment.from_task("ours", official)
    theirs = translate_task_to_wire(official, OfficialContext(**WHERE)).task_template
    ours = task.to_proto(SerializationContext(**WHERE))
    assert by_name(theirs.interface) == by_name(ours.interface)
    for field in ("id", "type", "task_type_version", "custom", "sql", "container"):
        assert getattr(theirs, field) == getattr(ours, field), field
    assert theirs.security_context == ours.security_context
    for field in ("retries", "timeout", "interruptible", "discoverable"):
        assert getattr(theirs.metadata, field) == getattr(ours.metadata, field), field
    if task.cache:
        assert theirs.metadata.discovery_version == ours.metadata.discovery_version


async def test_defaults_are_the_same_literals() -> None:
    """As a deployment stores them."""
    values = {
        "file": File(path="s3://bucket/in.txt"),
        "files": [File(path="s3://bucket/in.txt"), File(path="s3://bucket/2.csv", format="csv")],
        "table": DataFrame(uri="bq://p:d.t"),
        "pair": (Dir(path="s3://bucket/folder"), 2),
        "color": Color.RED,
        "none": None,
    }
    types = [File, list[File], DataFrame, tuple[Dir, int], Color, File | None]
    pairs = zip(types, values.values(), strict=True)
    task = OurTask("all", NativeInterface(dict(zip(values, pairs, strict=True))), folder="/f")
    defaults = await convert_upload_default_inputs(as_official_task(task).interface)
    ours = task.interface.write_inputs(task.name, values)
    theirs = {default.name: default.parameter.default for default in defaults}
    assert theirs == {literal.name: literal.value for literal in ours.literals}
    assert as_ours(as_official(values)) == values


references = st.recursive(
    st.sampled_from([File, Dir, DataFrame, int, Point]),
    lambda inner: st.one_of(
        inner.map(lambda t: list[t]),
        inner.map(lambda t: dict[str, t]),
        inner.map(lambda t: t | None),
        st.tuples(inner, inner).map(lambda items: tuple[items]),
    ),
    max_leaves=4,
)


@settings(max_examples=50)
@given(references)
def test_types_are_the_same_messages(python_type: Any) -> None:
    """However references are nested."""
    theirs = TypeEngine.to_literal_type(as_official_type(python_type))
    assert theirs == codec_for_type(python_type).literal_type


def test_a_task_can_be_deployed() -> None:
    """All of a deployment but the upload."""
    flyte.init(endpoint="dns:///127.0.0.1:1", insecure=True, project="p", domain="d")
    env = flyte.TaskEnvironment.from_task("ours", as_official_task(TASKS[0]))
    (deployment,) = flyte.deploy(env, dry_run=True, version="v1", copy_style="none")
    (deployed,) = deployment.envs["ours"].deployed_entities
    assert deployed.deployed_task.task_template.type == "batch_job"


def test_a_task_runs_here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through our connector in the SDK's registry, with each output under its own name."""
    monkeypatch.setenv("THE_KEY", "canary-of-a-secret")
    interface = NativeInterface(
        {"number": int, "file": (File, File(path="s3://bucket/in.txt"))},
        {"ratio": float, "file": File, "given": str},
    )
    task = as_official_task(OurTask("ours", interface, folder=str(tmp_path)))
    ratio, file, given = run_here(task, number=1)
    assert (ratio, file.path, given) == (3.0, "s3://bucket/out.txt", "18 ")
    assert type(file) is flyte.io.File


def test_a_task_of_a_sync_connector_runs_here() -> None:
    """And can be called by another task, after an override."""
    interface = NativeInterface({"number": int}, {"double": int})
    double = as_official_task(OurSyncTask("double", interface, "our_sync"))
    other = flyte.TaskEnvironment("other", depends_on=[flyte.TaskEnvironment.from_task("ours", double)])

    @other.task
    async def twice(number: int) -> int:
        once: int = await double(number=number)
        again: int = await double.override(retries=1)(once)
        return again

    flyte.init()
    assert flyte.with_runcontext("local").run(twice, number=3).outputs()[0] == 12


def test_a_fault_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of our connector."""
    monkeypatch.setenv("THE_KEY", "canary-of-a-secret")
    interface = NativeInterface({"number": int, "file": File})
    task = as_official_task(OurTask("ours", interface, folder=str(tmp_path)))
    with pytest.raises(Exception, match=r"inputs\.number: must not be negative"):
        run_here(task, number=-1, file=flyte.io.File(path="s3://bucket/in.txt"))


def test_what_no_connector_runs_is_refused() -> None:
    """It has neither a connector nor a function."""
    with pytest.raises(InvalidRequestError, match=r"task 'bare': no connector runs it"):
        as_official_task(TaskTemplate("bare", NativeInterface()))


def test_what_the_sdk_cannot_send_is_refused() -> None:
    """A connector would miss it."""

    class Configured(OurTask):
        def config(self, sctx: SerializationContext) -> Mapping[str, str]:
            return {"a": "b"}

    with pytest.raises(InvalidRequestError, match=r"task 'c': .* use `custom_config`"):
        as_official_task(Configured("c", NativeInterface(), folder=""))


def test_the_sdk_is_asked_for() -> None:
    """In one line, at the import."""
    code = "import sys; sys.modules['flyte'] = None; import flyte_connectors_official.offering.official_task"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: flyte_connectors_official.offering.official_task needs the official SDK: "
        "pip install flyte"
    )


def by_name(interface: TypedInterface) -> list[dict[str, Any]]:
    """What a task declares; the SDK sorts it."""

    def declared(variables: VariableMap) -> dict[str, Any]:
        return {entry.key: entry.value for entry in variables.variables}

    return [declared(interface.inputs), declared(interface.outputs)]


def run_here(task: Any, **inputs: Any) -> Any:
    """The outputs of a local run."""
    flyte.init()
    flyte.TaskEnvironment.from_task("ours", task)
    return flyte.with_runcontext("local").run(task, **inputs).outputs()
