"""The task class: what a workflow author writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors import AsyncConnectorExecutorMixin, NativeInterface, TaskTemplate

from flyte_connectors_batch_job.config import BatchJobConfig
from flyte_connectors_batch_job.request import with_settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors import SerializationContext


class BatchJobTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task that runs as a batch job.

    Args:
        name: The task's name.
        plugin_config: What the job runs.
        inputs: Type, or pair of type and default, of each input by name. The job finds their
            values in `$BATCH_JOB_INPUTS`.
        outputs: Type of each output, by name. The job writes their values to `$BATCH_JOB_OUTPUTS`.
        **kwargs: What every task takes.

    Example:
        BatchJobTask(
            name="line_count",
            plugin_config=BatchJobConfig(script='wc -l < "$BATCH_JOB_INPUT_FILE"'),
            inputs={"file": str},
            outputs={"result": str},
        )
    """

    _TASK_TYPE = "batch_job"

    def __init__(
        self,
        name: str,
        plugin_config: BatchJobConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name=name,
            interface=NativeInterface(inputs or {}, outputs or {}),
            task_type=self._TASK_TYPE,
            image=None,
            **kwargs,
        )
        self.plugin_config = plugin_config or BatchJobConfig()

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:  # noqa: ARG002
        """The job's fields, as the connector reads them from `custom`.

        What is set on the task itself is among them: a task without a container has no other place.
        """
        return with_settings_of(self, self.plugin_config).to_custom()
