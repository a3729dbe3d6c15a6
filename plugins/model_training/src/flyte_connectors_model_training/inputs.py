"""The inputs of a training as a submission carries them: the data set by its URI, the others as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import DataFrame, Dir, File, storage

from flyte_connectors_model_training.config import DATASET
from flyte_connectors_model_training.platforms import Submission

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl2.core.interface_pb2 import VariableMap

    from flyte_connectors_model_training.config import TrainingConfig

_MAX_EPOCHS = 2**31
_EPOCHS = "epochs"


def submission_of(
    job_id: str,
    config: TrainingConfig,
    declared: VariableMap,
    inputs: Mapping[str, Any],
    results_uri: str,
) -> Submission:
    """Answer what to submit.

    Args:
        job_id: The id of the training.
        config: The configuration of the task.
        declared: The inputs of its interface.
        inputs: Their values.
        results_uri: Where the model goes, if the platform does not choose.

    Raises:
        InvalidRequestError: An input is missing or can't be submitted; the error names it.
    """
    names = {entry.key for entry in declared.variables} or {_EPOCHS, DATASET}
    parameters = config.submitted_parameters()
    others = {
        name: _plain(name, value)
        for name, value in inputs.items()
        if name not in (_EPOCHS, config.dataset) and value is not None
    }
    dataset_uri = None
    if config.dataset in names or DATASET not in parameters:
        dataset_uri = _dataset_uri(config.dataset, inputs.get(config.dataset))
    epochs = None
    if _EPOCHS in names:
        epochs = _checked_epochs(inputs.get(_EPOCHS))
    return Submission(job_id, dataset_uri, epochs, others, parameters, results_uri)


def _checked_epochs(epochs: object) -> int:
    if not isinstance(epochs, int) or isinstance(epochs, bool) or not 0 < epochs < _MAX_EPOCHS:
        message = f"must be an integer over 0, got {epochs!r}"
        raise InvalidRequestError(message, field="inputs.epochs")
    return epochs


def _dataset_uri(name: str, value: object) -> str:
    uri = _uri(value)
    if not isinstance(uri, str) or not urlsplit(uri).scheme:
        message = f"must be a URI such as s3://bucket/data.csv, got {value!r}"
        raise InvalidRequestError(message, field=f"inputs.{name}")
    return uri


def _uri(value: object) -> object:
    """The URI of stored data; other values as they are."""
    if isinstance(value, (File, Dir)):
        stored: str | None = value.path
    elif isinstance(value, DataFrame):
        stored = value.uri
    else:
        return value
    if not stored or storage.is_remote(stored):
        return stored
    return storage.local_path(stored).absolute().as_uri()


def _plain(name: str, value: object) -> Any:
    plain = _uri(value)
    try:
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError):
        message = f"a {type(value).__name__} can't be submitted: use numbers, texts, lists or dicts"
        raise InvalidRequestError(message, field=f"inputs.{name}") from None
    return plain
