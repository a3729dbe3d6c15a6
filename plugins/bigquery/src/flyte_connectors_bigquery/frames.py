"""Makes `DataFrame(uri="bq://...").open(...)` work; imports nothing of Google's until it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors.frames import register_reader

if TYPE_CHECKING:
    from collections.abc import Sequence


def register() -> None:
    """Register the readers of `bq://` with the core."""
    for library, reader in _READERS.items():
        register_reader("bq", library, reader)


def _arrow(uri: str, columns: Sequence[str]) -> Any:
    from flyte_connectors_bigquery import tables

    return tables.read_arrow(uri, columns)


def _pandas(uri: str, columns: Sequence[str]) -> Any:
    from flyte_connectors_bigquery import tables

    return tables.read_pandas(uri, columns)


def _polars(uri: str, columns: Sequence[str]) -> Any:
    from flyte_connectors_bigquery import tables

    return tables.read_polars(uri, columns)


_READERS = {"pyarrow": _arrow, "pandas": _pandas, "polars": _polars}
