"""Models as files: skops, and ONNX where that is installed."""

from __future__ import annotations

import logging
from typing import IO, TYPE_CHECKING, Any

import skops.io

from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from sklearn.pipeline import Pipeline

    from flyte_connectors_training_service.dataset import Dataset

TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""Types of scikit-learn in the models of some estimators, which skops loads only when they are named."""

_log = logging.getLogger("training")


def write(value: Any, file: IO[bytes]) -> None:
    """Write a model, or a dict with models, with skops."""
    skops.io.dump(value, file)


def read(path: Path) -> Any:
    """Read what `write` wrote."""
    return skops.io.load(path, trusted=list(TRUSTED_TYPES))


def write_onnx(model: Pipeline, rows: Dataset, file: IO[bytes]) -> None:
    """Write a model as ONNX: one input `features`, or with categories one for each column by its name.

    Raises:
        DatasetError: skl2onnx can't convert this model.
    """
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import (
        FloatTensorType,
        Int64TensorType,
        StringTensorType,
    )

    if rows.categories:
        types = []
        for position, name in enumerate(rows.names):
            kind = FloatTensorType
            if position in rows.categories:
                is_text = isinstance(rows.features[0, position], str)
                kind = StringTensorType if is_text else Int64TensorType
            types.append((name, kind([None, 1])))
    else:
        types = [("features", FloatTensorType([None, len(rows.names)]))]
    options = {"zipmap": False} if hasattr(model[-1], "classes_") else {}
    try:
        converted = to_onnx(model, initial_types=types, options={id(model[-1]): options} if options else None)
    except Exception as error:  # of any type: converters raise what they like
        _log.error("exports: skl2onnx raised %s", type(error).__name__)
        message = f"exports: skl2onnx can't convert {type(model[-1]).__name__} with these features"
        raise DatasetError(message) from error
    file.write(converted.SerializeToString())
