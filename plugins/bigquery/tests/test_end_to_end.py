"""A task from its author's file to the DataFrame, on a laptop and over gRPC alike."""

from __future__ import annotations

import datetime
import decimal
from typing import TYPE_CHECKING

import flyte_connectors
import pandas
import pytest
from bed import service
from bed.calls import CONFIG
from bed.emulator import PROJECT
from flyte_connectors import DataFrame
from flyte_connectors.errors import TaskFailedError
from flyte_connectors.remote import RemoteService
from flyte_connectors.tasks.execution import Execution, executing
from flyte_connectors_bigquery import BigQueryTask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bed.proxy import Front

ORDERS = BigQueryTask(
    name="orders",
    query_template="""
        SELECT DATE_ADD(@since, INTERVAL n DAY) AS day, @price * n AS total, @tags[OFFSET(0)] AS tag
        FROM UNNEST(GENERATE_ARRAY(1, @days)) AS n ORDER BY n""",
    plugin_config=CONFIG,
    inputs={"since": datetime.date, "price": decimal.Decimal, "tags": list[str], "days": int},
    output_dataframe_type=DataFrame,
)
INPUTS = {
    "since": datetime.date(2024, 2, 28),
    "price": decimal.Decimal("1.25"),
    "tags": ["a", "b"],
    "days": 2,
}


@pytest.fixture
def address(front: Front, tmp_path: Path) -> Iterator[str]:
    """The address of a connector service."""
    assert front.url
    with service.running(tmp_path) as running:
        yield running.address


def test_a_task_runs_on_a_laptop(
    front: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`run(task)` finds the installed connector, waits for the job and gives its table."""
    assert front.url
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path))
    _check(flyte_connectors.run(ORDERS, **INPUTS).outputs())


async def test_a_task_runs_over_grpc(address: str) -> None:
    """The same task through a service process gives the same table."""
    async with RemoteService(address) as remote:
        with executing(Execution(client=remote)):
            _check(await ORDERS.execute(**INPUTS))


async def test_a_failure_over_grpc_has_bigquerys_reason(address: str) -> None:
    """What BigQuery says to a bad query is what the author reads."""
    task = BigQueryTask(name="bad", query_template="SELECT nothing", plugin_config=CONFIG)
    async with RemoteService(address) as remote:
        with executing(Execution(client=remote)), pytest.raises(TaskFailedError, match="nothing"):
            await task.execute()


def _check(results: DataFrame) -> None:
    assert results.uri is not None
    assert results.uri.startswith(f"bq://{PROJECT}:")
    frame = results.open(pandas.DataFrame).all_sync()
    assert frame.to_dict("list") == {
        "day": [datetime.date(2024, 2, 29), datetime.date(2024, 3, 1)],
        "total": [decimal.Decimal("1.25"), decimal.Decimal("2.50")],
        "tag": ["a", "a"],
    }
