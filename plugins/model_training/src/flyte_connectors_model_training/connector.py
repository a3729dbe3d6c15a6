"""The connector: each verb in a few lines over a training platform.

Importing this module imports no HTTP client: a service does that once it answers, or else the first call.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flyte_connectors import hookimpl
from flyte_connectors.authoring import log_page, metrics_response
from flyte_connectors.connector import (
    TERMINAL_PHASES,
    AsyncConnector,
    Phase,
    Resource,
    ResourceMeta,
)
from flyte_connectors.errors import ConflictError, InvalidRequestError
from flyte_connectors.io import File
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.logs.dataplane.payload_pb2 import LogLine, LogLineOriginator

from flyte_connectors_model_training import copies, outputs
from flyte_connectors_model_training.config import TrainingConfig
from flyte_connectors_model_training.inputs import submission_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from flyteidl2.connector.connector_pb2 import GetTaskMetricsResponse, TaskExecutionMetadata
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_model_training.platforms import JobState, TrainingPlatform

PAGE_LINES = 1000
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


@dataclass
class ModelTrainJobMeta(ResourceMeta):
    """What identifies a training.

    Args:
        job_id: The platform's id of it.
        endpoint: The training service; empty on Ray.
        config: What else of the task's configuration later calls need.
        results_uri: Where the model will be, if the platform does not report it.
        outputs: Type and place of each output, such as `file:results`; none for the model alone.
        copies_to: Where files are copied to, if they are.
    """

    job_id: str
    endpoint: str
    config: dict[str, Any] = field(default_factory=dict)
    results_uri: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    copies_to: str = ""


class ModelTrainingConnector(AsyncConnector[ModelTrainJobMeta]):
    """Runs task type `external_model_training`: trainings behind an HTTP API, or on Ray.

    Its state is in the platform alone. The idempotency key is the training's id.
    """

    name = "Model Training Connector"
    task_type_name = "external_model_training"
    metadata_type = ModelTrainJobMeta

    @hookimpl
    def warm_up(self) -> None:
        """Import the HTTP client and the platforms, which takes as long as many calls."""
        from flyte_connectors_model_training import client, ray_jobs, training_service  # noqa: F401

    @hookimpl
    def check_connection(self) -> list[str | Exception]:
        """Whether each platform that the operator names answers; see `flyte_connectors.hookspecs`."""
        from flyte_connectors_model_training.connections import check_all

        return check_all()

    def repeatable_create(self, task_template: TaskTemplate) -> bool:
        """Whether the platform knows a repeated submission by its id."""
        config = TrainingConfig.from_custom(task_template.custom)
        return config.ray is not None or bool(config.api.chosen_job_id)

    async def create(  # noqa: D102, the contract is in `flyte_connectors.hookspecs`
        self,
        task_template: TaskTemplate,
        output_prefix: str = "",
        inputs: Mapping[str, Any] | None = None,
        task_execution_metadata: TaskExecutionMetadata | None = None,  # noqa: ARG002
        *,
        idempotency_key: str,
        **kwargs: Any,
    ) -> ModelTrainJobMeta:
        from flyte_connectors_model_training.client import platform_of

        config = TrainingConfig.from_custom(task_template.custom)
        interface = task_template.interface
        sources = outputs.declared(interface.outputs, config.api)
        results_uri = config.ray.results_uri(idempotency_key, output_prefix) if config.ray else ""
        submission = submission_of(idempotency_key, config, interface.inputs, inputs or {}, results_uri)
        job_id = await platform_of(config, kwargs, results_uri).submit(submission)
        copies_to = ""
        if config.copy_outputs and not config.ray:
            copies_to = copies.target_prefix(output_prefix, idempotency_key)
        kept = config.kept()
        if sources == outputs.plain(kept):
            sources = {}
        return ModelTrainJobMeta(job_id, config.endpoint, kept, results_uri, sources, copies_to)

    async def get(self, resource_meta: ModelTrainJobMeta, **kwargs: Any) -> Resource:  # noqa: D102
        return await _resource(resource_meta, _existing(resource_meta, kwargs))

    async def get_many(  # noqa: D102
        self, resource_metas: Sequence[ModelTrainJobMeta], **kwargs: Any
    ) -> list[Resource | BaseException]:
        places = [json.dumps([meta.endpoint, meta.config]) for meta in resource_metas]
        jobs = Counter(places)
        lists: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

        async def resource(meta: ModelTrainJobMeta, place: str) -> Resource:
            platform = _existing(meta, kwargs)
            if jobs[place] == 1:
                return await _resource(meta, platform)
            if place not in lists:
                lists[place] = asyncio.ensure_future(platform.listed())
            return await _resource(meta, platform, (await lists[place]).get(meta.job_id))

        pairs = zip(resource_metas, places, strict=True)
        return await asyncio.gather(*(resource(*pair) for pair in pairs), return_exceptions=True)

    async def delete(self, resource_meta: ModelTrainJobMeta, **kwargs: Any) -> None:  # noqa: D102
        platform, job_id = _existing(resource_meta, kwargs), resource_meta.job_id
        try:
            await platform.cancel(job_id)
        except (ConflictError, InvalidRequestError):
            # Some services refuse to cancel what has ended.
            if (await platform.state(job_id)).phase not in TERMINAL_PHASES:
                raise

    async def get_logs(  # noqa: D102
        self, resource_meta: ModelTrainJobMeta, token: str = "", lines: int = 0, **kwargs: Any
    ) -> AsyncIterator[GetTaskLogsResponse]:
        limit = min(lines or PAGE_LINES, PAGE_LINES)
        platform = _existing(resource_meta, kwargs)
        page = await platform.log_page(resource_meta.job_id, token, limit)
        for message in log_page([_log_line(line) for line in page.lines], None):
            yield message
        if page.next_token is not None:
            yield GetTaskLogsResponse(header={"token": page.next_token})

    async def get_metrics(  # noqa: D102
        self,
        resource_meta: ModelTrainJobMeta,
        queries: Sequence[str] = (),
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        **kwargs: Any,
    ) -> GetTaskMetricsResponse:
        epochs = await _existing(resource_meta, kwargs).metrics(resource_meta.job_id)
        names = sorted({name for epoch in epochs for name in epoch} - {"ended_at"})
        return metrics_response(
            {name: _readings(name, epochs) for name in names},
            queries if epochs else (),  # before the first, the names of the metrics are unknown
            labels={"job": resource_meta.job_id},
            start_time=start_time,
            end_time=end_time,
        )


def _existing(meta: ModelTrainJobMeta, secrets: Mapping[str, Any]) -> TrainingPlatform:
    config = TrainingConfig.from_kept(meta.config, meta.endpoint)
    from flyte_connectors_model_training.client import platform_of

    return platform_of(config, secrets, meta.results_uri)


async def _resource(
    meta: ModelTrainJobMeta, platform: TrainingPlatform, job: Mapping[str, Any] | None = None
) -> Resource:
    """How a training stands; `job` is what a list had about it."""
    state = await platform.state(meta.job_id, job)
    resource = Resource(
        phase=state.phase,
        message=state.message,
        log_links=[TaskLog(name=name, uri=url) for name, url in state.links.items()],
        custom_info=_info(state),
    )
    if state.phase == Phase.SUCCEEDED:
        await _add_outputs(resource, meta, state, platform)
    return resource


async def _add_outputs(
    resource: Resource, meta: ModelTrainJobMeta, state: JobState, platform: TrainingPlatform
) -> None:
    """Give a training that has ended its outputs, or the phase that it is in without them."""
    sources = meta.outputs or outputs.plain(meta.config)
    try:
        found = outputs.values(sources, state.body)
    except outputs.MissingOutputError as error:
        resource.phase = Phase.FAILED
        resource.message = f"training {meta.job_id} ended, but {error}"
        return
    for name, source in sources.items():
        if source.startswith("file:"):
            path = await copies.copied(platform, found[name], meta.copies_to, name)
            if path is None:
                resource.phase = Phase.RUNNING
                resource.message = f"copying {name} to {meta.copies_to}"
                return
            found[name] = File(path=path)
    resource.outputs = found


def _info(state: JobState) -> dict[str, float] | None:
    """The platform's numbers, and how much of the training is done."""
    info = dict(state.progress)
    epoch, epochs = info.get("epoch"), info.get("epochs")
    if epoch is not None and epochs:
        info["progress"] = min(max(epoch / epochs, 0.0), 1.0)
    return info or None


def _log_line(text: str) -> LogLine:
    """Make a log line, timed by the timestamp that its text begins with, if it does."""
    line = LogLine(message=text, originator=LogLineOriginator.USER)
    if match := _TIMESTAMP.match(text):
        line.timestamp.FromJsonString(match.group())
        line.message = text[match.end() :].lstrip()
    return line


def _readings(name: str, epochs: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
    return [(epoch.get("ended_at", 0.0), epoch[name]) for epoch in epochs if name in epoch]
