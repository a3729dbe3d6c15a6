"""A data set in several files, such as a folder that Spark wrote, as one file."""

from __future__ import annotations

import posixpath
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from flyte_connectors_training_service import dataset
from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_DATASET_BYTES = 4 * 1024**3
MAX_PARTS = 10_000


class Destination:
    """A writer that refuses more than `MAX_DATASET_BYTES`, those of all parts together."""

    def __init__(self, file: IO[bytes], whole: Destination | None = None) -> None:
        self._file = file
        self._whole = whole
        self._room = MAX_DATASET_BYTES

    def expect(self, size: int) -> None:
        """Refuse a size that is too large, before anything is written."""
        if self._whole is not None:
            self._whole.expect(size)
        elif size > self._room:
            message = f"it is larger than {MAX_DATASET_BYTES} bytes"
            raise DatasetError(message)

    def write(self, data: bytes) -> int:
        """Write a piece."""
        self.expect(len(data))
        (self._whole or self)._room -= len(data)  # noqa: SLF001, of the same class
        return self._file.write(data)

    @property
    def file(self) -> IO[bytes]:
        """What is written to."""
        return self._file


def join(names: Sequence[str], copy: Callable[[str, Destination], None], destination: Destination) -> None:
    """Fetch all parts, and write their rows to `destination` as Parquet, in the order of their names.

    Args:
        names: Names of the parts; what begins with `_` or `.` is none, such as `_SUCCESS`.
        copy: Copies a part.
        destination: Where the rows go.

    Raises:
        DatasetError: There are no parts, too many, or their columns differ.
    """
    names = [name for name in names if posixpath.basename(name)[0] not in "._"]
    if not 0 < len(names) <= MAX_PARTS:
        message = f"the folder has {len(names)} files: a data set has 1 to {MAX_PARTS}"
        raise DatasetError(message)
    writer: Any = None  # a ParquetWriter, once the columns are known
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        for number, name in enumerate(names):
            with path.open("wb") as file:
                copy(name, Destination(file, destination))
            table = dataset.read_table(path)
            if writer is None:
                writer = parquet.ParquetWriter(destination.file, table.schema)
            try:
                writer.write_table(table.select(writer.schema.names).cast(writer.schema))
            except (pa.ArrowException, KeyError, ValueError):
                message = f"file {number + 1} of the folder has other columns than the first"
                raise DatasetError(message) from None
        assert writer
        writer.close()
