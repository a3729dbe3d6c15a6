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

from flyte_connectors_training_service.estimators import CLASSIFICATION
from flyte_connectors_training_service.sources import DatasetError
from flyte_connectors_training_service.training_spec import DROP, REFUSE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from flyte_connectors_training_service.training_spec import TrainingSpec

MAX_CATEGORIES = 1000
"""Categories of one column; with more, it is an id or a text rather than a category."""

_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Dataset:
    """Rows to train on.

    Attributes:
        features: Of shape (rows, columns): float64, or objects where there are categories.
        labels: Of shape (rows,): classes, or float64.
        names: The name of each feature.
        categories: The positions of the features that are categories; the others are numbers.
    """

    features: NDArray[Any]
    labels: NDArray[Any]
    names: tuple[str, ...] = ()
    categories: tuple[int, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The positions of the features that are numbers."""
        return tuple(sorted(set(range(self.features.shape[1])) - set(self.categories)))

    @property
    def has_missing_numbers(self) -> bool:
        """Whether a number is missing anywhere."""
        numbers = self.features[:, list(self.numbers)].astype(np.float64)
        return bool(np.isnan(numbers).any())

    def rows(self, chosen: NDArray[np.intp]) -> Dataset:
        """Answer some of the rows."""
        return Dataset(self.features[chosen], self.labels[chosen], self.names, self.categories)


def read(path: Path, spec: TrainingSpec) -> Dataset:
    """Read a CSV or Parquet file with a header.

    Raises:
        DatasetError: It is malformed or empty, has no column of a name in `spec`, a feature that is neither a
            finite number nor a category, a missing label, or fewer than two classes.
    """
    table = read_table(path)
    _check(table, spec)
    numbers = _feature_numbers(table, spec)
    if spec.missing == DROP:
        table = _without_missing(table, numbers)
    columns, categories = [], []
    for position, number in enumerate(numbers):
        is_category = table.column_names[number] in spec.categories or _is_text(table, number)
        if is_category:
            categories.append(position)
        columns.append(_category(table, number, spec) if is_category else _number(table, number, spec))
    names = tuple(table.column_names[number] for number in numbers)
    is_classes = spec.how.problem == CLASSIFICATION
    labels = _classes(table, spec.label) if is_classes else _targets(table, spec.label)
    return Dataset(_side_by_side(columns, bool(categories)), labels, names, tuple(categories))


def read_table(path: Path) -> pa.Table:
    """Read a file as a table, by its content. Raises DatasetError."""
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    try:
        return parquet.read_table(path) if is_parquet else csv.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        kind = "Parquet" if is_parquet else "CSV"
        message = f"the data set is not readable as {kind}{_place(str(error))}"
        raise DatasetError(message) from None


def _check(table: pa.Table, spec: TrainingSpec) -> None:
    columns = table.column_names
    for name in (spec.label, *(spec.features or ()), *spec.categories):
        if name not in columns:
            message = f"none of the {table.num_columns} columns of the data set is named {name!r}"
            raise DatasetError(message)
        if columns.count(name) > 1:
            message = f"more than one column of the data set is named {name!r}"
            raise DatasetError(message)
    if table.num_rows == 0:
        message = "the data set is empty: it has a header and no rows"
        raise DatasetError(message)


def _feature_numbers(table: pa.Table, spec: TrainingSpec) -> list[int]:
    """The numbers of the columns to learn from, in their order."""
    wanted = None if spec.features is None else set(spec.features)
    numbers = [
        number
        for number, name in enumerate(table.column_names)
        if name != spec.label and (wanted is None or name in wanted)
    ]
    if not numbers:
        message = f"the data set has no column besides {spec.label!r}: nothing to learn from"
        raise DatasetError(message)
    return numbers


def _without_missing(table: pa.Table, numbers: list[int]) -> pa.Table:
    whole = np.ones(table.num_rows, dtype=bool)
    for number in numbers:
        whole &= _is_present(table.column(number))
    if not whole.any():
        message = "the data set has a missing value in every row"
        raise DatasetError(message)
    return table.filter(pa.array(whole))


def _is_present(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(~column.is_null(nan_is_null=True).to_numpy(), dtype=bool)


def _is_text(table: pa.Table, number: int) -> bool:
    kind = table.column(number).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _number(table: pa.Table, number: int, spec: TrainingSpec) -> NDArray[np.float64]:
    column, name = table.column(number), f"column {number + 1}"
    missing = int((~_is_present(column)).sum())
    if missing and spec.missing == REFUSE:
        message = f"{name} has {missing} missing values: fill or drop them"
        raise DatasetError(message)
    if missing == table.num_rows:
        message = f"{name} has no value at all: leave it out of the features"
        raise DatasetError(message)
    try:
        values = column.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowException:
        message = f"{name} holds {column.type}: a feature must be a number or a category"
        raise DatasetError(message) from None
    if np.isinf(values).any():
        message = f"{name} holds a value that is not finite"
        raise DatasetError(message)
    return np.asarray(values, dtype=np.float64)


def _category(table: pa.Table, number: int, spec: TrainingSpec) -> NDArray[Any]:
    column, name = table.column(number), f"column {number + 1}"
    missing = int((~_is_present(column)).sum())
    if missing and spec.missing == REFUSE:
        message = f"{name} has {missing} missing values: fill or drop them"
        raise DatasetError(message)
    if len(column.unique()) > MAX_CATEGORIES:
        message = f"{name} has more than {MAX_CATEGORIES} categories: leave it out of the features"
        raise DatasetError(message)
    is_text = _is_text(table, number)
    # A missing text is the empty text, which every form of the model can hold.
    missing_value = "" if is_text else None
    values = np.empty(table.num_rows, dtype=object)
    for row, value in enumerate(column.to_pylist()):
        values[row] = missing_value if value is None or value != value else value  # noqa: PLR0124, NaN
    return values


def _side_by_side(columns: list[NDArray[Any]], has_categories: bool) -> NDArray[Any]:
    if not has_categories:
        return np.column_stack(columns)
    features = np.empty((len(columns[0]), len(columns)), dtype=object)
    for position, column in enumerate(columns):
        features[:, position] = column
    return features


def _place(text: str) -> str:
    """The part of Arrow's error about the file's form; the rest may quote the file."""
    if found := re.search(r"Expected (\d+) columns, got (\d+)", text):
        row = re.search(r"Row #(\d+)", text)
        where = f" in row {row[1]}" if row else ""
        return f": {found[0]}{where}"
    return ": Empty CSV file" if text.startswith("Empty CSV file") else ""


def _label(table: pa.Table, name: str) -> pa.ChunkedArray:
    column = table.column(name)
    if missing := int((~_is_present(column)).sum()):
        message = f"column {name!r} has {missing} missing values: drop those rows"
        raise DatasetError(message)
    return column


def _classes(table: pa.Table, name: str) -> NDArray[Any]:
    column = _label(table, name)
    if pa.types.is_floating(column.type):
        message = f"column {name!r} holds {column.type}: a label must be a class, not a measure"
        raise DatasetError(message)
    # NumPy's own strings and integers, not objects: they go into the model file as plain arrays.
    labels = np.array(column.to_pylist())
    if len(np.unique(labels)) < 2:  # noqa: PLR2004, two classes
        message = f"column {name!r} has one class only: a classifier needs two"
        raise DatasetError(message)
    return labels


def _targets(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = _label(table, name)
    try:
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    except pa.ArrowException:
        message = f"column {name!r} holds {column.type}: a regression predicts numbers"
        raise DatasetError(message) from None
    if not np.isfinite(values).all():
        message = f"column {name!r} holds a value that is not finite"
        raise DatasetError(message)
    return values
