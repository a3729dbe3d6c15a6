"""A query of BigQuery; the demo runs it where there is an emulator."""

from __future__ import annotations

from flyte_connectors_bigquery import BigQueryConfig, BigQueryTask

squares = BigQueryTask(
    name="squares",
    query_template="SELECT SUM(n * n) AS total FROM UNNEST(GENERATE_ARRAY(1, @up_to)) AS n",
    plugin_config=BigQueryConfig(ProjectID="demo", Location="US"),
    inputs={"up_to": (int, 10)},
    outputs={"total": int},
)
