"""BigQuery for Flyte.

    BigQueryTask, BigQueryDryRunTask    what workflow authors write
    BigQueryConfig and its parts        where and how a query runs
    BigQueryConnector, ...DryRun...     what a connector service hosts
    read_batches                        a result too large for memory, batch by batch

Inside, in the order of a request: `connector` (or `dry_run`), `request` with `parameters`,
`connections` with `credentials`, `client`, `states`, `outputs`. Importing this package imports
nothing of Google's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyte_connectors_bigquery.config import BigQueryConfig, RangePartitioning, TimePartitioning
    from flyte_connectors_bigquery.connector import BigQueryConnector
    from flyte_connectors_bigquery.dry_run import BigQueryDryRunConnector
    from flyte_connectors_bigquery.tables import read_batches
    from flyte_connectors_bigquery.tasks import BigQueryDryRunTask, BigQueryTask

__all__ = [
    "BigQueryConfig",
    "BigQueryConnector",
    "BigQueryDryRunConnector",
    "BigQueryDryRunTask",
    "BigQueryTask",
    "RangePartitioning",
    "TimePartitioning",
    "read_batches",
]

_MODULES = {
    "BigQueryConfig": "config",
    "BigQueryConnector": "connector",
    "BigQueryDryRunConnector": "dry_run",
    "BigQueryDryRunTask": "tasks",
    "BigQueryTask": "tasks",
    "RangePartitioning": "config",
    "TimePartitioning": "config",
    "read_batches": "tables",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for; a connector service needs no tasks, and a workflow no client."""
    module = _MODULES.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
