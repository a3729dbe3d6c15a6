"""DataFrame inputs of queries: tables of that name in the statement, wherever they are stored."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.parquet
import pytest
from bed.proxy import Fault
from flyte_connectors import DataFrame
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery.jobs import tables
from flyte_connectors_bigquery.settings import UPLOAD_FROM_VARIABLE
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    from bed.calls import Calls
    from bed.proxy import Front

DAY = datetime.date(2024, 2, 29)


@pytest.fixture
def folder(tmp_path: Path, front: Front, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the operator allows, from which little is sent."""
    assert not front.calls
    monkeypatch.setattr(tables, "PARAMETER_BYTES", 5000)
    monkeypatch.setenv(UPLOAD_FROM_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM flowers WHERE petal_length > @least",
        "-- flowers\n  /* WITH */ # x\nselect COUNT(*) AS n FROM flowers WHERE petal_length > @least",
        "(SELECT COUNT(*) AS n FROM `flowers` WHERE petal_length > @least)",
        "WITH long AS (SELECT * FROM flowers WHERE petal_length > @least) SELECT COUNT(*) AS n FROM long",
    ],
)
async def test_a_table_of_bigquery_is_an_input(calls: Calls, sql: str) -> None:
    """What one query gave, the next reads; no row leaves BigQuery."""
    irises = (await calls.run(calls.query("SELECT * FROM iris", frame=True)))["results"]
    task = calls.query(sql, inputs={"flowers": DataFrame, "least": float}, outputs={"n": int})
    given = await calls.run(task, {"flowers": irises, "least": 2.0})
    assert given == {"n": 100}


async def test_a_small_file_is_an_input(emulated: Calls, folder: Path) -> None:
    """Its rows are a parameter, typed as the file is: dates, decimals, lists and structs."""
    rows = [
        {"day": DAY, "price": decimal.Decimal("1.50"), "tags": ["a", "b"], "part": {"n": 1}},
        {"day": None, "price": None, "tags": [], "part": {"n": None}},
    ]
    table = pyarrow.Table.from_pylist(
        rows,
        pyarrow.schema(
            [
                ("day", pyarrow.date32()),
                ("price", pyarrow.decimal128(10, 2)),
                ("tags", pyarrow.list_(pyarrow.string())),
                ("part", pyarrow.struct([("n", pyarrow.int64())])),
            ]
        ),
    )
    frame = DataFrame.from_local_sync(table, f"{folder}/x.parquet")
    task = emulated.query(
        "SELECT day, price, ARRAY_LENGTH(tags) AS tags, part.n AS part FROM orders WHERE day = @day",
        inputs={"orders": DataFrame, "day": datetime.date},
        outputs={"day": datetime.date, "price": decimal.Decimal, "tags": int, "part": int},
    )
    given = await emulated.run(task, {"orders": frame, "day": DAY})
    assert given == {"day": DAY, "price": decimal.Decimal("1.5"), "tags": 2, "part": 1}


@pytest.mark.parametrize(
    ("uri", "form", "expected"),
    [
        ("gs://b/x.parquet", "", {"sourceUris": ["gs://b/x.parquet"], "sourceFormat": "PARQUET"}),
        ("gs://b/x/", "parquet", {"sourceUris": ["gs://b/x/*"], "sourceFormat": "PARQUET"}),
        (
            "gs://b/x.csv",
            "",
            {"sourceUris": ["gs://b/x.csv"], "sourceFormat": "CSV", "autodetect": True},
        ),
    ],
)
async def test_files_of_cloud_storage_are_an_external_table(
    emulated: Calls, front: Front, uri: str, form: str, expected: dict[str, Any]
) -> None:
    """BigQuery reads them itself, for any statement; the emulator can't, so that the request is looked at."""
    sent: list[dict[str, Any]] = []

    def look(handler: Any, forward: Any) -> Any:
        sent.append(json.loads(handler.body)["configuration"]["query"])
        return forward()

    front.faults.append(Fault(look, method="POST", path="/jobs"))
    sql = "INSERT INTO garden.nothing SELECT * FROM orders"
    task = emulated.query(sql, inputs={"orders": DataFrame})
    await emulated.create(task, {"orders": DataFrame(uri=uri, format=form)})
    assert sent[0]["tableDefinitions"] == {"orders": expected}
    assert sent[0]["query"] == sql
    assert "queryParameters" not in sent[0]


@pytest.mark.parametrize(
    ("sql", "uri", "said"),
    [
        (
            "INSERT INTO x SELECT * FROM t",
            "bq://p1:garden.iris",
            "only a SELECT can read .* 'INSERT'",
        ),
        ("SELECT 1", "bq://p1:gar`den.iris", "is not a table"),
        ("SELECT 1", "bq://garden.iris", "is not a table"),
        ("SELECT 1", "/etc/passwd", "lists in FLYTE_CONNECTORS_BIGQUERY_UPLOAD_FROM"),
        ("SELECT 1", "{folder}/missing.parquet", "missing.parquet"),
        ("SELECT 1", "{folder}/text.parquet", "can't be a parameter"),
        ("SELECT 1", "{folder}/large.parquet", "larger than 5000 bytes: load it"),
    ],
)
async def test_an_input_that_can_not_be_a_table_is_refused(
    emulated: Calls, folder: Path, sql: str, uri: str, said: str
) -> None:
    """One line that names the input."""
    (folder / "text.parquet").write_text("no parquet")
    pyarrow.parquet.write_table(pyarrow.table({"n": list(range(3000))}), folder / "large.parquet")
    task = emulated.query(sql, inputs={"t": DataFrame})
    with pytest.raises(InvalidRequestError, match=rf"inputs\.t: .*{said}"):
        await emulated.create(task, {"t": DataFrame(uri=uri.format(folder=folder))})


_space = st.sampled_from([" ", "\n", "-- x\n", "# y\n", "/* WITH\n*/", "\t"])


@given(st.lists(_space).map("".join), st.sampled_from(["SELECT 1", "(SELECT 1)", "FROM t"]))
def test_comments_stay_in_front_of_a_statement(before: str, sql: str) -> None:
    """Whatever they say."""
    frame = DataFrame(uri="bq://p:d.t")
    changed, _ = tables.add_tables(before + sql, {}, {"t": frame})
    assert changed == f"{before}WITH `t` AS (SELECT * FROM `p`.`d`.`t`) {sql}"


def test_other_external_tables_are_kept() -> None:
    """Those of the configuration; what is not one is refused."""
    frame = DataFrame(uri="gs://b/x.parquet")
    query: dict[str, Any] = {"tableDefinitions": {"u": {"sourceFormat": "CSV"}}}
    tables.add_tables("SELECT 1", query, {"t": frame})
    assert query["tableDefinitions"].keys() == {"t", "u"}
    with pytest.raises(InvalidRequestError, match=r"custom\.tableDefinitions: expected REST"):
        tables.add_tables("SELECT 1", {"tableDefinitions": "x"}, {"t": frame})
