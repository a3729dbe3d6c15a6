"""The readers and the writer of `bq://`, which the core finds by the entry points `bq`.

Imports nothing of Google's until a table is read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def _arrow(uri: str, columns: Sequence[str]) -> Any:
    from flyte_connectors_bigquery.results import tables

    return tables.read_arrow(uri, columns)


def _pandas(uri: str, columns: Sequence[str]) -> Any:
    from flyte_connectors_bigquery.results import tables

    return tables.read_pandas(uri, columns)


def _polars(uri: str, columns: Sequence[str]) -> Any:
    from flyte_connectors_bigquery.results import tables

    return tables.read_polars(uri, columns)


READERS = {"pyarrow": _arrow, "pandas": _pandas, "polars": _polars}
"""By library, as `flyte_connectors.io.frames.register_reader` describes them."""


def write(frame: Any, uri: str) -> str:
    """See `results.writing.write_table`; as `flyte_connectors.io.frames.write` describes it."""
    from flyte_connectors_bigquery.results import writing

    return writing.write_table(frame, uri)
