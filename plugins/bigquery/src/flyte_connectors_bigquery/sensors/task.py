"""The task that waits for a table, a partition or rows."""

from __future__ import annotations

import dataclasses
import datetime
import re
from typing import TYPE_CHECKING, Any

from flyte_connectors import AsyncConnectorExecutorMixin

from flyte_connectors_bigquery.config import table_reference
from flyte_connectors_bigquery.sensors.config import POLL_SECONDS, TIMEOUT_SECONDS, Wait
from flyte_connectors_bigquery.task import SqlTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors import SerializationContext

    from flyte_connectors_bigquery.config import BigQueryConfig

_PARTITION = re.compile(r"\w+")
_NAME = re.compile(r"[^`\\]+")


class BigQuerySensor(AsyncConnectorExecutorMixin, SqlTask):
    """Waits until a table, a partition or rows are there.

        yesterday = BigQuerySensor(
            name="yesterday",
            plugin_config=BigQueryConfig(ProjectID="my-project"),
            table="shop.orders",
            inputs={"partition": datetime.date},
            timeout=datetime.timedelta(hours=6),
        )

    Give either `table` or `query_template`. A table is looked at in the catalog, which is free. A partition
    and a query are asked for once per `poll_interval`, with a query each time.

    Args:
        name: Name of the task.
        plugin_config: Where to look, and the settings of the queries.
        table: Table to wait for, `project.dataset.table` or `dataset.table`.
        partition: Id of the partition to wait for, such as `20240229`; or the task has an input
            `partition` of type `date`, `datetime` (hourly partitions) or `str`.
        min_rows: Rows that the table or partition needs to have.
        query_template: A query to wait for: until all values of its first row are true, that is neither
            NULL, 0, FALSE nor empty. A table that does not exist yet is waited for, too.
        inputs: Python type of each parameter of the query; or `partition`.
        outputs: For a table `results` (a `DataFrame`) and `rows`; else columns of the first row.
        poll_interval: Time between two queries, in seconds or as a timedelta; at least 1 s.
        timeout: The task fails after this time, in seconds or as a timedelta; a day by default.
        google_application_credentials: Name of the secret with credentials, as for `BigQueryTask`.
        **kwargs: As for every task.

    Raises:
        ValueError: both or neither of `table` and `query_template` are given, or a name is not one.
        ParameterTypeError: BigQuery has no type for an input.
    """

    _TASK_TYPE = "bigquery_sensor_task"

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        plugin_config: BigQueryConfig,
        *,
        table: str | None = None,
        partition: str | None = None,
        min_rows: int = 0,
        query_template: str | None = None,
        inputs: Mapping[str, type] | None = None,
        outputs: Mapping[str, type] | None = None,
        poll_interval: float | datetime.timedelta = POLL_SECONDS,
        timeout: float | datetime.timedelta = TIMEOUT_SECONDS,
        google_application_credentials: str | None = None,
        **kwargs: Any,
    ) -> None:
        if (table is None) == (query_template is None):
            message = f"task {name}: give either table or query_template"
            raise ValueError(message)
        self._wait = Wait(
            min_rows=min_rows,
            poll_seconds=_seconds(poll_interval),
            timeout_seconds=_seconds(timeout),
        )
        if table is not None:
            reference = table_reference(table, plugin_config.ProjectID)
            by_input = (inputs or {}).get("partition")
            if partition is not None or by_input is not None:
                query_template = _partition_query(reference, partition, by_input, min_rows)
            else:
                self._wait = dataclasses.replace(self._wait, table=reference)
        super().__init__(
            name,
            query_template or "",
            plugin_config,
            inputs=inputs,
            outputs=outputs or {},
            google_application_credentials=google_application_credentials,
            **kwargs,
        )

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        """That of a query, and what to wait for."""
        return {**super().custom_config(sctx), "wait": self._wait.to_custom()}


def _partition_query(table: Mapping[str, str], partition: str | None, by_input: Any, min_rows: int) -> str:
    """A query for one partition: https://cloud.google.com/bigquery/docs/information-schema-partitions."""
    if partition is not None and not _PARTITION.fullmatch(partition):
        message = f"partition {partition!r} is not an id of a partition, such as '20240229'"
        raise ValueError(message)
    for part in table.values():
        if not _NAME.fullmatch(part):
            message = f"{part!r} is not a part of a table's name"
            raise ValueError(message)
    ids = {
        datetime.date: "FORMAT_DATE('%Y%m%d', @partition)",
        datetime.datetime: "FORMAT_TIMESTAMP('%Y%m%d%H', @partition)",
    }
    wanted = f"'{partition}'" if partition is not None else ids.get(by_input, "@partition")
    dataset = "`.`".join(table[part] for part in ("projectId", "datasetId") if part in table)
    return (  # the names are checked above
        f"SELECT COALESCE(SUM(total_rows), -1) >= {int(min_rows)} AS found "  # noqa: S608
        f"FROM `{dataset}`.INFORMATION_SCHEMA.PARTITIONS "
        f"WHERE table_name = '{table['tableId']}' AND partition_id = {wanted}"
    )


def _seconds(duration: float | datetime.timedelta) -> float:
    if isinstance(duration, datetime.timedelta):
        return duration.total_seconds()
    return float(duration)
