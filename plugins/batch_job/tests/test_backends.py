"""The choice of a back end, and what it refuses: by name, before anything has started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import template
from flyte_connectors import Resources, SerializationContext
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    InvalidRequestError,
    InvalidResourceMetaError,
    ServiceUnavailableError,
)
from flyteidl2.core.tasks_pb2 import Resources as ResourcesProto

from flyte_connectors_batch_job import BatchJobConfig, BatchJobMetadata, BatchJobTask, backends
from flyte_connectors_batch_job.backends.local.backend import LocalBackend
from flyte_connectors_batch_job.request import job_request

if TYPE_CHECKING:
    from batch_jobs import Jobs

ELSEWHERE: dict[str, Any] = {
    "gpu": 1,
    "image": "python:3.13",
    "queue": "main",
    "account": "physics",
    "qos": "high",
    "nodes": 2,
    "tasks": 4,
    "modules": ["gcc/13"],
}
"""Fields that only engines with machines of their own can honour."""


def refusal(jobs: Jobs, task: Any) -> str:
    """Why a task can't be created; nothing has been submitted then."""
    with pytest.raises(InvalidRequestError) as caught:
        jobs.connector.create(task, "", {}, idempotency_key="refused")
    assert not jobs.spool.job("refused").exists()
    return caught.value.message


@pytest.mark.parametrize("name", backends.NAMES)
def test_a_back_end_has_the_name_that_it_is_loaded_by(name: str) -> None:
    """Metas carry this name."""
    assert backends.load(name).name == name


@pytest.mark.parametrize("field", ELSEWHERE)
def test_what_a_back_end_cannot_honour_is_refused_by_name(jobs: Jobs, field: str) -> None:
    """Ignored, it would look as if it held."""
    message = refusal(jobs, template(script="true", **{field: ELSEWHERE[field]}))
    assert message == f"custom.{field}: the back end 'local' does not support it"


def test_every_field_is_an_ability_of_some_back_end_or_refused() -> None:
    """A new field can't be forgotten by the local back end."""
    fields = set(BatchJobConfig.__dataclass_fields__)
    common = {"command", "script", "function", "python", "uv_lock", "timeout_seconds", "backend"}
    assert fields == common | (LocalBackend.abilities & fields) | set(ELSEWHERE)


def test_interruptible_is_refused_where_no_machine_is(jobs: Jobs) -> None:
    """The error says what to do."""
    task = template(script="true")
    task.metadata.interruptible = True
    assert "interruptible: the back end 'local' has no interruptible" in refusal(jobs, task)


def test_resources_of_a_container_count_as_the_jobs_own() -> None:
    """Of request and limit, the limit."""
    task = template(script="true")
    resources = task.container.resources
    resources.requests.add(name=ResourcesProto.CPU, value="500m")
    resources.limits.add(name=ResourcesProto.CPU, value="2")
    resources.requests.add(name=ResourcesProto.MEMORY, value="1Gi")
    task.container.env.add(key="A", value="b")
    config = job_request(task, {}).config
    assert (config.cpu_count, config.memory_bytes, config.env) == (2.0, 2**30, {"A": "b"})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EPHEMERAL_STORAGE", "1Gi", "resources.ephemeral_storage: batch jobs can't ask for it"),
        ("MEMORY", "plenty", "custom.memory: 'plenty' must be a number of bytes"),
        ("CPU", "-1", "custom.cpu: '-1' must be greater than zero"),
        ("GPU", "some", "resources.gpu: 'some' is not a quantity"),
        ("GPU", "2", "custom.gpu: the back end 'local' does not support it"),
    ],
)
def test_resources_of_a_container_are_refused_by_name(jobs: Jobs, name: str, value: str, message: str) -> None:
    """Wherever the task has them from."""
    task = template(script="true")
    task.container.resources.requests.add(name=ResourcesProto.ResourceName.Value(name), value=value)
    assert refusal(jobs, task).startswith(message)


def test_an_image_of_a_container_is_refused(jobs: Jobs) -> None:
    """It would run on the machine's own files."""
    task = template(script="true")
    task.container.image = "python:3.13"
    assert refusal(jobs, task) == "custom.image: the back end 'local' does not support it"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resources": Resources(disk="1Gi")}, "resources.ephemeral_storage: "),
        ({"resources": Resources(gpu=1)}, "custom.gpu: the back end 'local'"),
        ({"interruptible": True}, "template.metadata.interruptible: "),
    ],
)
def test_what_a_task_asks_for_itself_is_refused(jobs: Jobs, settings: dict[str, Any], message: str) -> None:
    """When it is registered, or when it is created."""
    task = BatchJobTask("asks", BatchJobConfig(script="true"), **settings)
    with pytest.raises(InvalidRequestError) as caught:
        jobs.connector.create(task.to_proto(SerializationContext()), "", {}, idempotency_key="no")
    assert caught.value.message.startswith(message)
    assert not jobs.spool.job("no").exists()


def test_a_tasks_own_settings_travel_with_its_configuration() -> None:
    """`resources=` and `env_vars=` say the same as the fields."""
    task = BatchJobTask(
        "asks",
        BatchJobConfig(script="true", env={"A": "1"}),
        resources=Resources(cpu="1", memory=("1Gi", "2Gi")),
        env_vars={"B": "2"},
    )
    config = job_request(task.to_proto(), {}).config
    assert (config.cpu_count, config.memory_bytes) == (1.0, 2 * 2**30)
    assert config.env == {"A": "1", "B": "2"}


def test_the_variables_of_a_task_reach_the_job(jobs: Jobs) -> None:
    """As those of `env` do."""
    task = BatchJobTask("says", BatchJobConfig(script='echo "$WHO"'), outputs={"who": str}, env_vars={"WHO": "me"})
    meta = jobs.connector.create(task.to_proto(), "", {}, idempotency_key="says")
    assert jobs.end(meta).outputs == {"who": "me"}


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        ({"cpu": 1}, {"resources": Resources(cpu="2")}, "custom.cpu: set beside the task's own"),
        ({"env": {"A": "1"}}, {"env_vars": {"A": "2"}}, "custom.env.A: set beside the task's own"),
    ],
)
def test_what_is_said_twice_is_refused(config: dict[str, Any], settings: dict[str, Any], message: str) -> None:
    """Neither is meant more than the other."""
    task = BatchJobTask("twice", BatchJobConfig(script="true", **config), **settings)
    with pytest.raises(InvalidRequestError) as caught:
        task.to_proto()
    assert caught.value.message.startswith(message)


def test_a_task_may_choose_what_the_operator_allows(jobs: Jobs) -> None:
    """And nothing else."""
    assert jobs.run("true", backend="local").phase == Phase.SUCCEEDED
    message = refusal(jobs, template(script="true", backend="cray"))
    assert message == "custom.backend: 'cray' is not available; available: local"


def test_an_unknown_back_end_of_the_operators_is_said(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable's name."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_BACKEND", "local, cray")
    with pytest.raises(ServiceUnavailableError, match=r"FLYTE_BATCH_JOB_BACKEND.*'cray'"):
        jobs.start("true")


def test_a_meta_of_an_unknown_back_end_is_refused(jobs: Jobs) -> None:
    """A newer release may have made it; a job is never looked for in the wrong place."""
    with pytest.raises(InvalidResourceMetaError, match="back end 'cray' is unknown"):
        jobs.connector.get(BatchJobMetadata("a-job", backend="cray", handle="7"))


def test_metas_of_earlier_releases_are_read(jobs: Jobs) -> None:
    """Their jobs are on the local back end."""
    meta = jobs.start("true")
    assert meta == BatchJobMetadata("a-job", jobs.spool.id, "local", "")
    assert jobs.end(BatchJobMetadata("a-job")).phase == Phase.SUCCEEDED


@pytest.mark.parametrize(("code", "phase"), [(75, Phase.RETRYABLE_FAILED), (1, Phase.FAILED), (0, Phase.SUCCEEDED)])
def test_exit_codes_say_whether_to_try_again(jobs: Jobs, code: int, phase: int) -> None:
    """Those that the task lists."""
    resource = jobs.run(f"echo why >&2; exit {code}", retry_exit_codes=[75])
    assert resource.phase == phase
    if code:
        assert resource.message == f"the job ended with exit code {code}: why"
