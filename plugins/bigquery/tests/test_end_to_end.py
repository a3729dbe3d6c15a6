"""A task from its author's file to the DataFrame, on a laptop and over gRPC alike."""

from __future__ import annotations

import datetime
import decimal
from typing import TYPE_CHECKING

import flyte_connectors
import pandas
import pytest
from bed import service
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyte_connectors.tasks.current_run import CurrentRun, within_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bed.calls import Calls
    from flyte_connectors import DataFrame

SQL = """
    SELECT DATE_ADD(@since, INTERVAL n DAY) AS day, @price * n AS total, @tags[OFFSET(0)] AS tag
    FROM UNNEST(GENERATE_ARRAY(1, @days)) AS n ORDER BY n"""
TYPES = {"since": datetime.date, "price": decimal.Decimal, "tags": list[str], "days": int}
INPUTS = {
    "since": datetime.date(2024, 2, 28),
    "price": decimal.Decimal("1.25"),
    "tags": ["a", "b"],
    "days": 2,
}


@pytest.fixture
def address(calls: Calls, tmp_path: Path) -> Iterator[str]:
    """The address of a connector service."""
    assert calls.config
    with service.running(tmp_path) as running:
        yield running.address


def test_a_task_runs_on_a_laptop(calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`run(task)` finds the installed connector, waits for the job and gives its table."""
    orders = calls.query(SQL, inputs=TYPES, frame=True)
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path))
    _check(flyte_connectors.run(orders, **INPUTS).outputs())


async def test_a_task_runs_over_grpc(calls: Calls, address: str) -> None:
    """The same task through a service process gives the same table, and a bad query BigQuery's words."""
    orders = calls.query(SQL, inputs=TYPES, frame=True)
    refused = (TaskFailedError, InvalidRequestError)  # when it runs, or when it is handed in
    async with RemoteService(address) as remote:
        with within_run(CurrentRun(client=remote)):
            _check(await orders.execute(**INPUTS))
        with within_run(CurrentRun(client=remote)), pytest.raises(refused, match="nothing"):
            await calls.query("SELECT nothing").execute()


def _check(results: DataFrame) -> None:
    assert results.uri is not None
    assert results.uri.startswith("bq://")
    frame = results.open(pandas.DataFrame).all_sync()
    assert frame.to_dict("list") == {
        "day": [datetime.date(2024, 2, 29), datetime.date(2024, 3, 1)],
        "total": [decimal.Decimal("1.25"), decimal.Decimal("2.50")],
        "tag": ["a", "a"],
    }
