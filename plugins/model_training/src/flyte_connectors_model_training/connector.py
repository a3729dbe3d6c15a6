"""The connector: each verb in a few lines over a training platform.

Importing this module imports no HTTP client: the first call does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flyte_connectors.authoring import log_page, metrics_response, read_log_token
from flyte_connectors.connector import (
    TERMINAL_PHASES,
    AsyncConnector,
    Phase,
    Resource,
    ResourceMeta,
)
from flyte_connectors.errors import ConflictError, InvalidRequestError
from flyte_connectors.io import File
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.logs.dataplane.payload_pb2 import LogLine, LogLineOriginator

from flyte_connectors_model_training.config import TrainingConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from flyteidl2.connector.connector_pb2 import (
        GetTaskLogsResponse,
        GetTaskMetricsResponse,
        TaskExecutionMetadata,
    )
    from flyteidl2.core.tasks_pb2 import TaskTemplate

    from flyte_connectors_model_training.client import JobState, TrainingPlatform

PAGE_LINES = 1000
_MAX_EPOCHS = 2**31
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


@dataclass
class ModelTrainJobMeta(ResourceMeta):
    """What identifies a training.

    Args:
        job_id: The platform's id of it.
        endpoint: The training service; empty on Ray.
        config: What else of the task's configuration later calls need.
        results_uri: Where the model will be, if the platform does not report it.
    """

    job_id: str
    endpoint: str
    config: dict[str, Any] = field(default_factory=dict)
    results_uri: str = ""


class ModelTrainingConnector(AsyncConnector[ModelTrainJobMeta]):
    """Runs task type `external_model_training`: trainings behind an HTTP API, or on Ray.

    Its state is in the platform alone. The idempotency key is the training's id.
    """

    name = "Model Training Connector"
    task_type_name = "external_model_training"
    metadata_type = ModelTrainJobMeta

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
        from flyte_connectors_model_training.client import Submission, platform_of

        config = TrainingConfig.from_custom(task_template.custom)
        epochs, dataset_uri = _checked_inputs(inputs or {})
        results_uri = config.ray.results_uri(idempotency_key, output_prefix) if config.ray else ""
        submission = Submission(
            idempotency_key, epochs, dataset_uri, config.parameters, results_uri
        )
        job_id = await platform_of(config, kwargs, results_uri).submit(submission)
        return ModelTrainJobMeta(job_id, config.endpoint, config.kept(), results_uri)

    async def get(self, resource_meta: ModelTrainJobMeta, **kwargs: Any) -> Resource:  # noqa: D102
        state = await _existing(resource_meta, kwargs).state(resource_meta.job_id)
        links = [TaskLog(name="training-dashboard", uri=state.dashboard)] if state.dashboard else []
        if state.phase == Phase.SUCCEEDED:
            return _succeeded(resource_meta, state, links)
        return Resource(
            phase=state.phase,
            message=state.message,
            log_links=links,
            custom_info=_info(state),
        )

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
        page = await platform.log_page(resource_meta.job_id, read_log_token(token), limit)
        for message in log_page([_log_line(line) for line in page.lines], page.next_offset):
            yield message

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


def _checked_inputs(inputs: Mapping[str, Any]) -> tuple[int, str]:
    epochs, dataset_uri = inputs.get("epochs"), inputs.get("dataset_uri")
    if not isinstance(epochs, int) or not 0 < epochs < _MAX_EPOCHS:
        message = f"must be an integer over 0, got {epochs!r}"
        raise InvalidRequestError(message, field="inputs.epochs")
    if not isinstance(dataset_uri, str) or not urlsplit(dataset_uri).scheme:
        message = f"must be a URI such as s3://bucket/data.csv, got {dataset_uri!r}"
        raise InvalidRequestError(message, field="inputs.dataset_uri")
    return epochs, dataset_uri


def _succeeded(meta: ModelTrainJobMeta, state: JobState, links: list[TaskLog]) -> Resource:
    uri = state.results or meta.results_uri
    if not isinstance(uri, str) or not (uri.startswith("/") or urlsplit(uri).scheme):
        shown = repr(uri)[:80]
        message = f"training {meta.job_id} ended, but its results are not a file: {shown}"
        return Resource(phase=Phase.FAILED, message=message, log_links=links)
    return Resource(
        phase=Phase.SUCCEEDED,
        message=state.message,
        log_links=links,
        outputs={"results": File(path=uri)},
        custom_info=_info(state),
    )


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
