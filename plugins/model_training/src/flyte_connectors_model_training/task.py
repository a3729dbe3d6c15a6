"""The task class: what a workflow author writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors import AsyncConnectorExecutorMixin, File, NativeInterface, TaskTemplate

from flyte_connectors_model_training.config import TrainingApi, TrainingConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors import SerializationContext

    from flyte_connectors_model_training.config import Auth, RayTrainConfig


class ModelTrainTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task that trains a model: inputs `epochs` and `dataset_uri`, output `results`, a file.

    Args:
        name: The task's name.
        endpoint: Where a training service takes jobs.
        plugin_config: Trains on Ray instead.
        api: The API of the training service, if it differs from the reference service's.
        parameters: Further fields of the submission, such as `label` or `seed`.
        auth: How to authenticate.
        **kwargs: What every task takes.

    Raises:
        InvalidRequestError: A part of the configuration is wrong; the error names it.

    Example:
        train = ModelTrainTask(
            name="train",
            endpoint="https://train.example.org/jobs",
            parameters={"label": "species"},
            auth=Auth(secret="training-token"),
        )
        model = train(epochs=20, dataset_uri="s3://bucket/iris.csv")
    """

    _TASK_TYPE = "external_model_training"

    def __init__(  # noqa: PLR0913, a training has these properties
        self,
        name: str,
        endpoint: str = "",
        *,
        plugin_config: RayTrainConfig | None = None,
        api: TrainingApi | None = None,
        parameters: Mapping[str, Any] | None = None,
        auth: Auth | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name=name,
            interface=NativeInterface(
                inputs={"epochs": int, "dataset_uri": str},
                outputs={"results": File},
            ),
            task_type=self._TASK_TYPE,
            **kwargs,
        )
        self.training = TrainingConfig(
            endpoint=endpoint,
            api=api or TrainingApi(),
            ray=plugin_config,
            parameters=parameters or {},
            auth=auth,
        )

    @property
    def endpoint(self) -> str:
        """Where the training service takes jobs."""
        return self.training.endpoint

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:  # noqa: ARG002
        """Answer what the connector reads from `custom`."""
        return self.training.to_custom()
