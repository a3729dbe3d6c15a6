"""The readers of `bq://`, which the core finds by the entry point `bq`.

Imports nothing of Google's until a table is read.
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
