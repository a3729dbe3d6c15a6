"""A data set as features and labels.

Errors quote nothing of a file, not even column names: the user who names a file may not be allowed to read
it. Columns are named by their number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Dataset:
    """Rows to train on: `features` is float64 of shape (rows, columns), `labels` is (rows,)."""

    features: NDArray[np.float64]
    labels: NDArray[Any]


def read(path: Path, label: str) -> Dataset:
    """Read a CSV or Parquet file with a header.

    Raises:
        DatasetError: It is malformed or empty, has no column `label`, a feature that is not a finite number,
            a missing value, or fewer than two classes.
    """
    table = _table(path)
    if label not in table.column_names:
        message = f"none of the {table.num_columns} columns of the data set is named {label!r}"
        raise DatasetError(message)
    if table.num_rows == 0:
        message = "the data set is empty: it has a header and no rows"
        raise DatasetError(message)
    if table.column_names.count(label) > 1:
        message = f"more than one column of the data set is named {label!r}"
        raise DatasetError(message)
    numbers = [number for number, name in enumerate(table.column_names) if name != label]
    if not numbers:
        message = f"the data set has no column besides {label!r}: nothing to learn from"
        raise DatasetError(message)
    features = np.column_stack([_feature(table, number) for number in numbers])
    return Dataset(features, _labels(table, label))


def _table(path: Path) -> pa.Table:
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    try:
        return parquet.read_table(path) if is_parquet else csv.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        kind = "Parquet" if is_parquet else "CSV"
        message = f"the data set is not readable as {kind}{_place(str(error))}"
        raise DatasetError(message) from None


def _place(text: str) -> str:
    """The part of Arrow's error about the file's form; the rest may quote the file."""
    if found := re.search(r"Expected (\d+) columns, got (\d+)", text):
        row = re.search(r"Row #(\d+)", text)
        where = f" in row {row[1]}" if row else ""
        return f": {found[0]}{where}"
    return ": Empty CSV file" if text.startswith("Empty CSV file") else ""


def _feature(table: pa.Table, number: int) -> NDArray[np.float64]:
    column, name = table.column(number), f"column {number + 1}"
    if column.null_count:
        message = f"{name} has {column.null_count} missing values: fill or drop them"
        raise DatasetError(message)
    try:
        values = column.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowException:
        message = f"{name} holds {column.type}: a feature must be a number"
        raise DatasetError(message) from None
    if not np.isfinite(values).all():
        message = f"{name} holds a value that is not finite"
        raise DatasetError(message)
    return np.asarray(values, dtype=np.float64)


def _labels(table: pa.Table, name: str) -> NDArray[Any]:
    column = table.column(name)
    if column.null_count:
        message = f"column {name!r} has {column.null_count} missing values: drop those rows"
        raise DatasetError(message)
    if pa.types.is_floating(column.type):
        message = f"column {name!r} holds {column.type}: a label must be a class, not a measure"
        raise DatasetError(message)
    # NumPy's own strings and integers, not objects: they go into the model file as plain arrays.
    labels = np.array(column.to_pylist())
    if len(np.unique(labels)) < 2:  # noqa: PLR2004, two classes
        message = f"column {name!r} has one class only: a classifier needs two"
        raise DatasetError(message)
    return labels
