"""BigQuery for Flyte.

    BigQueryTask, BigQueryDryRunTask    queries and estimates, with BigQueryConfig
    BigQueryCheckTask, BigQuerySensor   a result as expected; tables, partitions and rows that appear
    BigQueryLoadTask, ...Extract...,    files into a table, a table into files, tables into a table,
    ...Copy...                          each with its configuration
    BigQueryConnector, ...              what a connector service hosts
    read_batches, write_table           tables too large for memory, batch by batch

Read `client` (the calls to BigQuery), `config` (what a task sets), `connector` (the verbs), `task`
(what workflow authors declare), in this order; beside them are the rooms `transfers`, `sensors`, `jobs`, `values`,
`results` and `access`. Importing this package imports nothing of Google's.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flyte_connectors_bigquery.config import BigQueryConfig, RangePartitioning, TimePartitioning
    from flyte_connectors_bigquery.connector import BigQueryConnector
    from flyte_connectors_bigquery.dry_run import BigQueryDryRunConnector
    from flyte_connectors_bigquery.results.tables import read_batches
    from flyte_connectors_bigquery.results.writing import write_table
    from flyte_connectors_bigquery.sensors.connector import BigQuerySensorConnector
    from flyte_connectors_bigquery.sensors.task import BigQuerySensor
    from flyte_connectors_bigquery.task import (
        BigQueryCheckTask,
        BigQueryDryRunTask,
        BigQueryTask,
    )
    from flyte_connectors_bigquery.transfers.config import (
        BigQueryCopyConfig,
        BigQueryExtractConfig,
        BigQueryLoadConfig,
    )
    from flyte_connectors_bigquery.transfers.connector import (
        BigQueryCopyConnector,
        BigQueryExtractConnector,
        BigQueryLoadConnector,
    )
    from flyte_connectors_bigquery.transfers.task import (
        BigQueryCopyTask,
        BigQueryExtractTask,
        BigQueryLoadTask,
    )

__all__ = [
    "BigQueryCheckTask",
    "BigQueryConfig",
    "BigQueryConnector",
    "BigQueryCopyConfig",
    "BigQueryCopyConnector",
    "BigQueryCopyTask",
    "BigQueryDryRunConnector",
    "BigQueryDryRunTask",
    "BigQueryExtractConfig",
    "BigQueryExtractConnector",
    "BigQueryExtractTask",
    "BigQueryLoadConfig",
    "BigQueryLoadConnector",
    "BigQueryLoadTask",
    "BigQuerySensor",
    "BigQuerySensorConnector",
    "BigQueryTask",
    "RangePartitioning",
    "TimePartitioning",
    "read_batches",
    "write_table",
]

_MODULES = {
    "BigQueryConfig": "config",
    "BigQueryConnector": "connector",
    "BigQueryDryRunConnector": "dry_run",
    "BigQueryCheckTask": "task",
    "BigQueryDryRunTask": "task",
    "BigQuerySensor": "sensors.task",
    "BigQuerySensorConnector": "sensors.connector",
    "BigQueryTask": "task",
    "RangePartitioning": "config",
    "TimePartitioning": "config",
    "read_batches": "results.tables",
    "write_table": "results.writing",
    **dict.fromkeys(("BigQueryCopyConfig", "BigQueryExtractConfig", "BigQueryLoadConfig"), "transfers.config"),
    **dict.fromkeys(
        ("BigQueryCopyConnector", "BigQueryExtractConnector", "BigQueryLoadConnector"),
        "transfers.connector",
    ),
    **dict.fromkeys(("BigQueryCopyTask", "BigQueryExtractTask", "BigQueryLoadTask"), "transfers.task"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for; a connector service needs no tasks, and a workflow no client."""
    module = _MODULES.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
