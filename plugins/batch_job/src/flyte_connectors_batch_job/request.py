"""The job that a task template asks for: its `custom`, and what Flyte's own fields add to it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

from flyte_connectors.errors import InvalidRequestError
from flyteidl2.core.tasks_pb2 import Container, Resources
from flyteidl2.core.types_pb2 import BlobType, SimpleType

from flyte_connectors_batch_job import quantities
from flyte_connectors_batch_job.backends.interface import JobRequest
from flyte_connectors_batch_job.config import BatchJobConfig
from flyte_connectors_batch_job.inputs import references, to_json
from flyte_connectors_batch_job.prefix import check_prefix
from flyte_connectors_batch_job.wrapper import uris

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flyte_connectors import TaskTemplate as TaskTemplateOfAuthor
    from flyteidl2.connector.connector_pb2 import TaskExecutionMetadata
    from flyteidl2.core.interface_pb2 import VariableEntry
    from flyteidl2.core.tasks_pb2 import TaskTemplate
    from flyteidl2.core.types_pb2 import LiteralType

    from flyte_connectors_batch_job.backends.interface import BatchBackend

DEFAULT_SCRIPT = 'echo "output-from-$BATCH_JOB_ID"\n'

_ALWAYS = frozenset({"command", "script", "timeout_seconds", "backend", "python", "function"})
_FIELDS = {
    Resources.ResourceName.CPU: "cpu",
    Resources.ResourceName.MEMORY: "memory",
    Resources.ResourceName.GPU: "gpu",
}


FOLDER = "files"
"""Name of the folder under the output prefix that has the files of outputs."""


def job_request(
    task_template: TaskTemplate,
    inputs: Mapping[str, Any] | None,
    output_prefix: str = "",
    metadata: TaskExecutionMetadata | None = None,
    python: str = "python3",
) -> JobRequest:
    """The job of a task.

    Args:
        task_template: The task.
        inputs: Its inputs, by name.
        output_prefix: URI under which files of outputs are stored.
        metadata: Which run and attempt it is part of.
        python: Interpreter for functions that name none.

    Raises:
        InvalidRequestError: a field is wrong, or set twice; the error names it.
    """
    config = BatchJobConfig.from_custom(task_template.custom)
    accelerator = task_template.extended_resources.gpu_accelerator.device
    if accelerator:
        message = f"batch jobs can't ask for a '{accelerator}': use custom.gpu"
        _refuse("resources.gpu_accelerator", message)
    if task_template.HasField("container"):
        config = with_container(config, task_template.container)
        config.check()
    if config.function is not None:
        from flyte_connectors_batch_job.functions.request import function_request

        config = dataclasses.replace(config, python=config.python or python)
        return function_request(task_template, config, inputs, output_prefix, metadata)
    if config.command is None and config.script is None:
        config = dataclasses.replace(config, script=DEFAULT_SCRIPT)
    outputs = task_template.interface.outputs.variables
    is_line = len(outputs) == 1 and outputs[0].value.type.simple == SimpleType.STRING
    return JobRequest(
        config=config,
        inputs=to_json(inputs),
        outputs=[output.key for output in outputs],
        line_output=outputs[0].key if is_line else None,
        files=_files(inputs, outputs, output_prefix),
        interruptible=task_template.metadata.interruptible,
    )


def _files(
    inputs: Mapping[str, Any] | None, outputs: Iterable[VariableEntry], output_prefix: str
) -> dict[str, Any] | None:
    """What is to be copied before and after the command; None if there is nothing."""
    forms = {output.key: _form(output.key, output.value.type) for output in outputs}
    stored = {name: form for name, form in forms.items() if form is not None}
    fetched = references(inputs)
    if not stored and not fetched:
        return None
    if stored:
        check_prefix(output_prefix)
    return {"inputs": fetched, "outputs": stored, "prefix": uris.join(output_prefix, FOLDER)}


def _form(name: str, literal_type: LiteralType) -> Any:
    """The form of an output that has files, as `wrapper.plan` says it; None if it has none."""
    kind = literal_type.WhichOneof("type")
    if kind == "blob":
        return "file" if literal_type.blob.dimensionality == BlobType.SINGLE else "dir"
    if kind == "structured_dataset_type":
        _refuse(f"outputs.{name}", "batch jobs can't return a DataFrame: return its File or Dir")
    if kind == "union_type":
        forms = [_form(name, variant) for variant in literal_type.union_type.variants]
        found = [form for form in forms if form is not None]
        others = [variant.simple for variant in literal_type.union_type.variants]
        if found and (len(forms) > 2 or SimpleType.NONE not in others):  # noqa: PLR2004
            _refuse(f"outputs.{name}", "batch jobs can't return a file or something else")
        return ["optional", found[0]] if found else None
    containers = {
        "collection_type": ("list", literal_type.collection_type),
        "map_value_type": ("map", literal_type.map_value_type),
    }
    if kind not in containers:
        return None
    container, inner_type = containers[kind]
    inner = _form(name, inner_type)
    return None if inner is None else [container, inner]


def check_abilities(request: JobRequest, backend: BatchBackend) -> None:
    """Refuse what a back end can't honour.

    Raises:
        InvalidRequestError: the job needs it; the error names the field and the back end.
    """
    config = request.config
    for field in dataclasses.fields(config):
        is_set = getattr(config, field.name) not in (field.default, None, (), {}, [])
        if is_set and field.name not in _ALWAYS | backend.abilities:
            _refuse(f"custom.{field.name}", f"the back end '{backend.name}' does not support it")
    if request.files and "files" not in backend.abilities:
        names = [reference["at"][0] for reference in request.files["inputs"]]
        which = f"inputs.{names[0]}" if names else f"outputs.{next(iter(request.files['outputs']))}"
        _refuse(which, f"the back end '{backend.name}' does not support files")
    if request.interruptible and "interruptible" not in backend.abilities:
        message = f"the back end '{backend.name}' has no interruptible machines: set it to False"
        _refuse("template.metadata.interruptible", message)


def with_container(config: BatchJobConfig, container: Container) -> BatchJobConfig:
    """The configuration, with what a task asks for its container.

    Raises:
        InvalidRequestError: both say it, or batch jobs have no such resource; the error names it.
    """
    found: dict[str, Any] = {}
    # Of request and limit the limit counts: a job that may use so much has to get it.
    for entry in (*container.resources.requests, *container.resources.limits):
        name = Resources.ResourceName.Name(entry.name).lower()
        field = _FIELDS.get(entry.name)
        if field is None:
            _refuse(f"resources.{name}", "batch jobs can't ask for it")
        try:
            found[field] = quantities.whole(entry.value) if field == "gpu" else entry.value
        except ValueError as error:
            _refuse(f"resources.{name}", str(error))
    if container.image:
        found["image"] = container.image
    for field, value in found.items():
        if getattr(config, field) not in (None, value):
            _refuse(f"custom.{field}", f"set beside the task's own {field}: give one of the two")
    env = {entry.key: entry.value for entry in container.env}
    for name, value in env.items():
        if config.env.get(name, value) != value:
            _refuse(f"custom.env.{name}", "set beside the task's own env_vars: give one of the two")
    return dataclasses.replace(config, **found, env={**env, **config.env})


def with_settings_of(task: TaskTemplateOfAuthor, config: BatchJobConfig, image: Any = None) -> BatchJobConfig:
    """The configuration, with what is set on the task itself, and its `image`.

    Raises:
        InvalidRequestError: both say it, or batch jobs have no such resource; the error names it.
    """
    container = Container(image=str(image or ""))
    if task.resources is not None:
        container.resources.CopyFrom(task.resources.to_proto())
    for name, value in task.env_vars.items():
        container.env.add(key=name, value=value)
    return with_container(config, container)


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidRequestError(message, field=field)
