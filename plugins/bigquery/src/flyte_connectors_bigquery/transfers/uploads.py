"""Data that BigQuery can't fetch itself, so that the connector sends them along with a load job.

Rows of a task's inputs travel in the request. Files outside Cloud Storage are read by the connector, see
`access.files`, and pass through a temporary file, piece by piece.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_bigquery.access.files import fetch
from flyte_connectors_bigquery.jobs.request import JobRequest, digest_of
from flyte_connectors_bigquery.values.columns import plain

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Upload(JobRequest):
    """A load job with its data.

    Attributes:
        rows: The data, if they are rows: JSON, a line for each.
        files: Else the URIs of the files.
        field: The input that they are, for messages.
    """

    rows: bytes = b""
    files: tuple[str, ...] = ()
    field: str = ""

    @property
    def digest(self) -> str:
        """A digest of this job; the same for a repeated request, on every replica."""
        rows = hashlib.sha256(self.rows).hexdigest()
        return digest_of([self.configuration[self.kind], rows, self.files])

    @contextlib.contextmanager
    def opened(self) -> Iterator[IO[bytes] | None]:
        """The data as one file.

        Raises:
            InvalidRequestError: a file is not there, or the files can't be one.
        """
        if not self.files:
            yield io.BytesIO(self.rows)
            return
        with tempfile.TemporaryDirectory(prefix="bigquery-upload-") as folder:
            path = self._fetched(Path(folder))
            with path.open("rb") as file:
                yield file

    def _fetched(self, folder: Path) -> Path:
        paths = fetch(self.files, folder, self.field)
        if len(paths) == 1:
            return paths[0]
        if self.configuration["load"].get("sourceFormat") != "PARQUET":
            message = f"{len(paths)} files: only parquet files outside Cloud Storage may be several"
            raise InvalidRequestError(message, field=self.field)
        return _merged(paths, folder / "all")


def rows_of(field: str, value: Any) -> bytes | None:
    """A list of rows, mappings or dataclasses, as lines of JSON; None if it is something else.

    Raises:
        InvalidRequestError: a value has no form in JSON.
    """
    if not isinstance(value, list) or not value or not all(map(_is_row, value)):
        return None
    try:
        lines = [json.dumps(plain(_mapping(row)), ensure_ascii=False, allow_nan=False) for row in value]
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"a row has no form in JSON: {error}", field=field) from None
    return "".join(f"{line}\n" for line in lines).encode()


def _is_row(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        dataclasses.is_dataclass(value) and not hasattr(value, "path") and not hasattr(value, "uri")
    )


def _mapping(row: Any) -> Any:
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: _mapping(getattr(row, field.name)) for field in dataclasses.fields(row)}
    if isinstance(row, list):
        return [_mapping(element) for element in row]
    return row


def _merged(paths: Sequence[Path], target: Path) -> Path:
    """One parquet file with the rows of several, a row group in memory at a time."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetWriter(target, pyarrow.parquet.read_schema(paths[0])) as writer:
        for path in paths:
            with pyarrow.parquet.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
    return target
