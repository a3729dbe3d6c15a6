"""The task class: what a workflow author writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    DataFrame,
    Dir,
    File,
    NativeInterface,
    TaskTemplate,
)
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_model_training.config import DATASET, TrainingConfig
from flyte_connectors_model_training.training_api import TrainingApi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors import SerializationContext

    from flyte_connectors_model_training.config import (
        Auth,
        MlflowConfig,
        RayTrainConfig,
        Sweep,
    )


class ModelTrainTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task that trains a model: by default from `epochs` and `dataset_uri` to `results`, a file.

    Args:
        name: The task's name.
        endpoint: Where a training service takes jobs.
        plugin_config: Trains on Ray instead.
        inputs: Type of each input, or a pair of type and default. The data set is a `File`, `Dir`, `DataFrame` or
            URI; `epochs` is an int; every other input is a hyperparameter, unless `api.fields` says otherwise.
        outputs: Type of each output: `File` for `model` (or `results`), `report` and `onnx`, float for a score,
            `dict[str, float]` for all of them.
        dataset: Name of the input that is the data set; the one whose type is `File`, `Dir` or `DataFrame`, else
            `dataset_uri`, if empty.
        api: The API of the training service, if it differs from the reference service's.
        parameters: Further fields of the submission, such as `label` or `seed`.
        sweep: Trains many times, and answers with the best model.
        mlflow: Tracks the training on an MLflow server.
        auth: How to authenticate.
        copy_outputs: Whether files are copied from the service into the task's storage.
        **kwargs: What every task takes.

    Raises:
        InvalidRequestError: A part of the configuration is wrong; the error names it.

    Example:
        train = ModelTrainTask(
            name="train",
            endpoint="https://train.example.org/jobs",
            inputs={"data": DataFrame, "epochs": int, "alpha": (float, 0.0001)},
            outputs={"model": File, "validation_accuracy": float},
            parameters={"label": "species"},
            auth=Auth(secret="training-token"),
        )
        trained = train(data=frame, epochs=20)
        print(trained.model.path, trained.validation_accuracy)
    """

    _TASK_TYPE = "external_model_training"

    def __init__(  # noqa: PLR0913, a training has these properties
        self,
        name: str,
        endpoint: str = "",
        *,
        plugin_config: RayTrainConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        dataset: str = "",
        api: TrainingApi | None = None,
        parameters: Mapping[str, Any] | None = None,
        sweep: Sweep | None = None,
        mlflow: MlflowConfig | None = None,
        auth: Auth | None = None,
        copy_outputs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name=name,
            interface=NativeInterface(
                inputs=inputs or {"epochs": int, DATASET: str},
                outputs=outputs or {"results": File},
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
            dataset=dataset or _dataset_among(self.interface.inputs),
            sweep=sweep,
            mlflow=mlflow,
            copy_outputs=copy_outputs,
        )

    @property
    def endpoint(self) -> str:
        """Where the training service takes jobs."""
        return self.training.endpoint

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:  # noqa: ARG002
        """Answer what the connector reads from `custom`."""
        return self.training.to_custom()


def _dataset_among(inputs: Mapping[str, Any]) -> str:
    """The input that is the data set, by its name or type."""
    if DATASET in inputs:
        return DATASET
    stored = [name for name, (python_type, _) in inputs.items() if _is_reference(python_type)]
    if len(stored) > 1:
        message = f"name the input that is the data set: {', '.join(stored)} could be"
        raise InvalidRequestError(message, field="dataset")
    return stored[0] if stored else DATASET


def _is_reference(python_type: Any) -> bool:
    # DataFrame can be annotated with its columns.
    kinds = (python_type, *get_args(python_type))
    return any(isinstance(kind, type) and issubclass(kind, (File, Dir, DataFrame)) for kind in kinds)
