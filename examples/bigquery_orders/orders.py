"""Load rows into BigQuery, check and query them, and use the result as a frame of pandas."""

import dataclasses
import datetime

import pandas
from flyte_connectors import DataFrame, TaskEnvironment
from flyte_connectors_bigquery import (
    BigQueryCheckTask,
    BigQueryConfig,
    BigQueryLoadConfig,
    BigQueryLoadTask,
    BigQueryTask,
)


@dataclasses.dataclass
class Order:
    """A row."""

    day: datetime.date
    item: str
    price: float


query = BigQueryConfig(max_bytes=10**9, labels={"team": "shop"})
env = TaskEnvironment("shop")

dataset = BigQueryTask("dataset", "CREATE SCHEMA IF NOT EXISTS shop", query)
load = BigQueryLoadTask(
    "load",
    BigQueryLoadConfig(destination="shop.orders", write_disposition="WRITE_TRUNCATE"),
    inputs={"orders": list[Order]},
    outputs={"results": DataFrame, "rows": int},
)
check = BigQueryCheckTask(
    "check",
    "SELECT COUNT(*) > 0 AS any, COUNTIF(price < 0) = 0 AS valid FROM orders",
    query,
    inputs={"orders": DataFrame},
)
by_item = BigQueryTask(
    "by_item",
    """
        SELECT item, COUNT(*) AS orders, SUM(price) AS total FROM orders
        WHERE day >= @since GROUP BY item ORDER BY total DESC""",
    query,
    inputs={"orders": DataFrame, "since": datetime.date},
    output_dataframe_type=DataFrame,
)


@env.task
def best(since: datetime.date = datetime.date(2026, 1, 1)) -> tuple[str, float]:
    """The item that sold best since a day, and for how much."""
    dataset()
    day = datetime.date(2026, 11, 28)
    loaded = load(orders=[Order(day, "tea", 3.5), Order(day, "tea", 4), Order(day, "milk", 2)])
    check(orders=loaded.results)
    frame = by_item(orders=loaded.results, since=since).open(pandas.DataFrame).all_sync()
    print(frame)
    return str(frame["item"][0]), float(frame["total"][0])
