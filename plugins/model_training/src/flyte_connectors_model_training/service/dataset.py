"""A data set by URI, as features and labels."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import httpx
import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet
from pyarrow.fs import S3FileSystem

from flyte_connectors_model_training.service.training_spec import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MAX_DATASET_BYTES = 4 * 1024**3
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
_PARQUET_MAGIC = b"PAR1"


class DatasetError(Exception):
    """The data set cannot be fetched, read or trained on; the text says why, in one line."""


@dataclass(frozen=True)
class Dataset:
    """Rows to train on: `features` is float64 of shape (rows, columns), `labels` is (rows,)."""

    features: NDArray[np.float64]
    labels: NDArray[Any]


def fetch(uri: str, destination: IO[bytes]) -> None:
    """Copy the data set into `destination`.

    S3 reads credentials from the environment, and `AWS_ENDPOINT_URL` where it is not Amazon's.

    Raises:
        DatasetError: It is unreachable, missing, forbidden or larger than 4 GiB.
    """
    scheme = urlsplit(uri).scheme
    try:
        _FETCHERS[scheme](uri, _Bounded(destination))
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"dataset_uri {without_credentials(uri)!r} cannot be read: {_one_line(error)}"
        raise DatasetError(message) from error


def read(path: Path, label: str) -> Dataset:
    """Read a CSV or Parquet file with a header.

    Raises:
        DatasetError: It is malformed or empty, has no column `label`, a feature that is no
            finite number, a missing value, or fewer than two classes.
    """
    table = _table(path)
    if label not in table.column_names:
        message = f"the data set has no column {label!r}; it has {_listed(table.column_names)}"
        raise DatasetError(message)
    if table.num_rows == 0:
        message = "the data set is empty: it has a header and no rows"
        raise DatasetError(message)
    names = [name for name in table.column_names if name != label]
    if not names:
        message = f"the data set has no column besides {label!r}: nothing to learn from"
        raise DatasetError(message)
    features = np.column_stack([_feature(table, name) for name in names])
    return Dataset(features, _labels(table, label))


class _Bounded:
    """A writer that refuses more than `MAX_DATASET_BYTES`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._room = MAX_DATASET_BYTES

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            message = f"it is larger than {MAX_DATASET_BYTES} bytes"
            raise DatasetError(message)
        return self._file.write(data)


def _fetch_file(uri: str, destination: _Bounded) -> None:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        shown = without_credentials(uri)
        message = f"dataset_uri {shown!r} names another host: a file is file:///path"
        raise DatasetError(message)
    with open(unquote(parts.path), "rb") as source:  # noqa: PTH123, a path from a URI
        shutil.copyfileobj(source, destination)


def _fetch_http(uri: str, destination: _Bounded) -> None:
    timeout = httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
    with httpx.stream("GET", uri, timeout=timeout, follow_redirects=True) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            destination.write(chunk)


def _fetch_s3(uri: str, destination: _Bounded) -> None:
    with s3_store().open_input_stream(s3_key(uri)) as source:
        shutil.copyfileobj(source, destination)


def s3_store() -> S3FileSystem:
    """Answer the S3 that the environment names, with its credentials."""
    return S3FileSystem(
        endpoint_override=os.environ.get("AWS_ENDPOINT_URL"),
        region=os.environ.get("AWS_REGION", "us-east-1"),
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_SILENCE_SECONDS,
    )


def s3_key(uri: str) -> str:
    """Answer bucket and key of an `s3://` URI, as Arrow writes them."""
    parts = urlsplit(uri)
    return f"{parts.netloc}{unquote(parts.path)}"


_FETCHERS: dict[str, Callable[[str, _Bounded], None]] = {
    "file": _fetch_file,
    "http": _fetch_http,
    "https": _fetch_http,
    "s3": _fetch_s3,
}


def _table(path: Path) -> pa.Table:
    with path.open("rb") as file:
        is_parquet = file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC
    try:
        return parquet.read_table(path) if is_parquet else csv.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        kind = "Parquet" if is_parquet else "CSV"
        message = f"the data set is not readable as {kind}: {_one_line(error)}"
        raise DatasetError(message) from error


def _feature(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = table.column(name)
    if column.null_count:
        message = f"column {name!r} has {column.null_count} missing values: fill or drop them"
        raise DatasetError(message)
    try:
        values = column.cast(pa.float64(), safe=False).to_numpy()
    except pa.ArrowException as error:
        message = f"column {name!r} holds {column.type}: a feature must be a number"
        raise DatasetError(message) from error
    if not np.isfinite(values).all():
        message = f"column {name!r} holds a value that is not finite"
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
        message = f"column {name!r} has one class only ({labels[0]!s}): nothing to tell apart"
        raise DatasetError(message)
    return labels


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"  # noqa: PLR2004


def _one_line(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:200] or type(error).__name__
