"""Queries on a real server: values in, tables and values out."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from typing import Any

import pandas
import pyarrow
import pytest
from bed.calls import Calls
from bed.proxy import Fault, Front, rewrite
from flyte_connectors import DataFrame
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery import BigQueryTask
from flyte_connectors_bigquery.results import tables

MOMENT = datetime.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)

LEAP_DAY = MOMENT.replace(tzinfo=None, minute=0, second=0, microsecond=0)


@dataclasses.dataclass
class Order:
    """A STRUCT with a date, decimals and an array in it."""

    day: datetime.date
    price: decimal.Decimal
    tags: list[str]


VALUES: dict[str, tuple[Any, str | None, Any, Any]] = {
    "a_bool": (bool, None, True, True),
    "an_int": (int, None, -(2**63), -(2**63)),
    "a_float": (float, None, 0.1, 0.1),
    "a_numeric": (decimal.Decimal, None, decimal.Decimal("1.50"), decimal.Decimal("1.5")),
    "a_bignumeric": (
        decimal.Decimal,
        "BIGNUMERIC",
        decimal.Decimal("12345678901234567890.5"),
        decimal.Decimal("12345678901234567890.5"),
    ),
    "a_string": (
        str,
        None,
        "two  spaces,\n'quotes' and ünïcode",
        "two  spaces,\n'quotes' and ünïcode",
    ),
    "bytes_": (bytes, None, b"\x00\xff", b"\x00\xff"),
    "a_date": (datetime.date, None, datetime.date(2024, 2, 29), datetime.date(2024, 2, 29)),
    "a_datetime": (
        datetime.datetime,
        "DATETIME",
        MOMENT,
        MOMENT.replace(tzinfo=None),
    ),
    "a_time": (datetime.time, None, datetime.time(1, 2, 3, 4), datetime.time(1, 2, 3, 4)),
    "a_written_time": (str, "TIME", "01:02:03.000004", datetime.time(1, 2, 3, 4)),
    "a_timestamp": (
        datetime.datetime,
        None,
        MOMENT,
        MOMENT,
    ),
    "a_json": (dict, None, {"a": [1, None]}, '{"a":[1,null]}'),
    "an_array": (
        list[datetime.date],
        None,
        [datetime.date(2024, 2, 29)],
        [datetime.date(2024, 2, 29)],
    ),
    "an_empty_array": (list[float], None, [], []),
    "a_struct": (
        Order,
        None,
        Order(datetime.date(2024, 2, 29), decimal.Decimal("9.99"), ["new", "red"]),
        {
            "day": datetime.date(2024, 2, 29),
            "price": decimal.Decimal("9.99"),
            "tags": ["new", "red"],
        },
    ),
    "structs": (
        list[Order],
        None,
        [Order(datetime.date(2024, 2, 29), decimal.Decimal(1), [])],
        [{"day": datetime.date(2024, 2, 29), "price": decimal.Decimal(1), "tags": []}],
    ),
    "a_null": (datetime.date | None, None, None, None),
    "a_range": (
        tuple[datetime.date, datetime.date],
        None,
        (datetime.date(2024, 2, 29), datetime.date(2024, 3, 1)),
        {"start": datetime.date(2024, 2, 29), "end": datetime.date(2024, 3, 1)},
    ),
    "a_written_range": (
        str,
        "RANGE<DATE>",
        "[2024-02-29, UNBOUNDED)",
        {"start": datetime.date(2024, 2, 29), "end": None},
    ),
    "ranges": (
        list[str],
        "ARRAY<RANGE<DATETIME>>",
        ["[2024-02-29T01:00:00, 2024-03-01T00:00:00)"],
        [{"start": LEAP_DAY, "end": LEAP_DAY + datetime.timedelta(hours=23)}],
    ),
    "a_place": (str, "GEOGRAPHY", "POINT(1 2)", "POINT(1 2)"),
    "places": (list[str], "ARRAY<GEOGRAPHY>", ["POINT(1 2)"], ["POINT(1 2)"]),
}


async def test_parameters_of_every_type_arrive_and_come_back_as_a_table(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each input is a named parameter of the BigQuery type that its Python type stands for."""
    task = BigQueryTask(
        name="every_type",
        query_template="SELECT " + ", ".join(f"@{name} AS {name}" for name in VALUES),
        plugin_config=dataclasses.replace(
            calls.config,
            parameter_types={name: sql for name, (_, sql, _, _) in VALUES.items() if sql},
        ),
        inputs={name: python_type for name, (python_type, *_) in VALUES.items()},
        output_dataframe_type=DataFrame,
    )
    results = (await calls.run(task, {name: value for name, (_, _, value, _) in VALUES.items()}))["results"]
    assert results.uri.startswith(f"bq://{calls.config.ProjectID}:")
    # The emulator's Storage API sends RANGE and ARRAY<GEOGRAPHY> in forms of its own.
    monkeypatch.setattr(tables, "_storage_client", lambda _credentials: None)
    (row,) = (await results.open(pyarrow.Table).all()).to_pylist()
    row["a_json"] = row["a_json"].replace(" ", "")
    assert row == {name: expected for name, (_, _, _, expected) in VALUES.items()}


async def test_a_query_reads_real_rows_into_pandas(calls: Calls) -> None:
    """The result of a query on a real table is what the file says."""
    task = BigQueryTask(
        name="means",
        query_template="""
            SELECT species, AVG(petal_length) AS mean, COUNT(*) AS n FROM iris
            WHERE petal_length >= @at_least GROUP BY species ORDER BY species""",
        plugin_config=calls.config,
        inputs={"at_least": float},
        output_dataframe_type=DataFrame,
    )
    frame = await (await calls.run(task, {"at_least": 0.0}))["results"].open(pandas.DataFrame).all()
    assert list(frame["species"]) == ["setosa", "versicolor", "virginica"]
    assert list(frame["mean"].round(3)) == [1.462, 4.26, 5.552]
    assert list(frame["n"]) == [50, 50, 50]


async def test_white_space_inside_literals_is_left_alone(calls: Calls) -> None:
    """The query text reaches BigQuery as it was written, comments and line ends included."""
    task = BigQueryTask(
        name="spaces",
        query_template="SELECT 'a  b\t\\n' AS text -- a comment\n, 1 AS n",
        plugin_config=calls.config,
        outputs={"text": str, "n": int},
    )
    assert await calls.run(task) == {"text": "a  b\t\n", "n": 1}


async def test_one_row_gives_values_of_the_declared_types(calls: Calls) -> None:
    """Columns become outputs by name, whatever their order and case, converted as declared."""
    task = BigQueryTask(
        name="values",
        query_template="""
            SELECT NUMERIC '2.50' AS money, DATE '2024-02-29' AS day, ['a', 'b'] AS letters,
              NUMERIC '2.5' AS share, JSON '{"k": 1}' AS doc, CAST(NULL AS INT64) AS missing,
              STRUCT(1 AS x, DATE '2024-02-29' AS d) AS point, 7 AS Count""",
        plugin_config=calls.config,
        outputs={
            "count": int,
            "money": decimal.Decimal,
            "share": float,
            "day": datetime.date,
            "letters": list[str],
            "doc": dict,
            "missing": int | None,
            "point": dict,
        },
    )
    assert await calls.run(task) == {
        "count": 7,
        "money": decimal.Decimal("2.50"),
        "share": 2.5,
        "day": datetime.date(2024, 2, 29),
        "letters": ["a", "b"],
        "doc": {"k": 1},
        "missing": None,
        "point": {"x": 1, "d": "2024-02-29"},
    }


async def test_a_single_column_needs_no_alias(calls: Calls) -> None:
    """`SELECT COUNT(*)` fills the only output, whatever BigQuery calls the column."""
    task = BigQueryTask(
        name="count",
        query_template="SELECT COUNT(*) FROM iris",
        plugin_config=calls.config,
        outputs={"n": int},
    )
    assert await calls.run(task) == {"n": 150}


@pytest.mark.parametrize(
    ("sql", "outputs", "said"),
    [
        ("SELECT 1 AS n UNION ALL SELECT 2", {"n": int}, "more than one row"),
        ("SELECT 1 AS n FROM iris WHERE FALSE", {"n": int}, "no row"),
        ("SELECT 1 AS a, 2 AS b", {"n": int}, "outputs.n: no such column; the result has a, b"),
        ("SELECT 'x' AS n", {"n": int}, "outputs.n: expected int"),
    ],
)
async def test_a_result_that_does_not_fit_fails_and_says_why(
    calls: Calls, sql: str, outputs: dict[str, Any], said: str
) -> None:
    """Outputs that the result can't fill make the task FAILED, for good, with a reason."""
    task = BigQueryTask(name="misfit", query_template=sql, plugin_config=calls.config, outputs=outputs)
    resource = await (await calls.create(task)).end()
    assert resource.phase == Phase.FAILED
    assert said in resource.message


async def test_statements_that_change_rows_say_how_many(calls: Calls) -> None:
    """DML gives `rows_affected`, as an output where declared and as a fact of the execution."""
    await calls.run(calls.query("CREATE OR REPLACE TABLE dml (n INT64)"))
    insert = BigQueryTask(
        name="insert",
        query_template="INSERT INTO dml (n) SELECT * FROM UNNEST(@ns)",
        plugin_config=calls.config,
        inputs={"ns": list[int]},
        outputs={"rows_affected": int},
    )
    assert await calls.run(insert, {"ns": [1, 2, 3]}) == {"rows_affected": 3}
    job = await calls.create(calls.query("DELETE FROM dml WHERE n > 1"))
    facts = (await job.end()).custom_info
    assert (facts["statement_type"], facts["rows_affected"]) == ("DELETE", 2)


async def test_a_created_table_is_a_result(calls: Calls) -> None:
    """CREATE TABLE AS has its table as the result; DROP TABLE has none, and says so."""
    create = calls.query("CREATE OR REPLACE TABLE made AS SELECT 1 AS n", frame=True)
    results = (await calls.run(create))["results"]
    assert results.uri == calls.uri("made")
    drop = await calls.create(calls.query("DROP TABLE made", frame=True))
    resource = await drop.end()
    assert resource.phase == Phase.FAILED
    assert "DROP_TABLE has no result table" in resource.message


async def test_statements_make_and_remove_datasets_and_tables(calls: Calls) -> None:
    """As any other; what is removed is not there for the next one."""
    dataset = f"made_{uuid.uuid4().hex}"
    for statement in (
        f"CREATE SCHEMA {dataset}",
        f"CREATE TABLE {dataset}.t (n INT64)",
        f"INSERT INTO {dataset}.t VALUES (1), (2)",
    ):
        await calls.run(calls.query(statement))
    count = calls.query(f"SELECT COUNT(*) AS n FROM {dataset}.t", outputs={"n": int})
    assert await calls.run(count) == {"n": 2}
    await calls.run(calls.query(f"DROP TABLE {dataset}.t"))
    await calls.run(calls.query(f"DROP SCHEMA {dataset}"))
    with pytest.raises((InvalidRequestError, AssertionError), match=f"(?i)not found.*{dataset}"):
        await calls.run(count)


async def test_a_cost_report_finds_the_run_of_a_job(emulated: Calls, front: Front) -> None:
    """By labels, which BigQuery's own report of jobs has, beside those of the author."""
    await emulated.run(emulated.query("SELECT 1", labels={"team": "botany"}), run="Monthly.Report")
    (job,) = front.jobs
    labels = job["configuration"]["labels"]
    run = labels.pop("flyte-run")
    assert run.startswith("monthly_report-")
    assert len(labels.pop("flyte-request")) > 10
    assert labels == {
        "team": "botany",
        "flyte-project": "flytesnacks",
        "flyte-domain": "development",
        "flyte-action": "a0",
        "flyte-task": "query",
    }


async def test_a_script_gives_the_result_of_its_last_query(calls: Calls) -> None:
    """A script's statements are child jobs; the last one with a result is the script's."""
    script = """
        DECLARE low INT64 DEFAULT @low;
        CREATE TEMP TABLE numbers AS SELECT n FROM UNNEST([1, 2, 3]) AS n;
        SELECT n FROM numbers WHERE n > low ORDER BY n;"""
    task = BigQueryTask(
        name="script",
        query_template=script,
        plugin_config=calls.config,
        inputs={"low": int},
        output_dataframe_type=DataFrame,
    )
    job = await calls.create(task, {"low": 1})
    resource = await job.end()
    assert resource.phase == Phase.SUCCEEDED, resource.message
    assert resource.custom_info["statement_type"] == "SCRIPT"
    assert resource.custom_info["child_jobs"] >= 2
    told = resource.custom_info["statements"]
    assert len(told) == resource.custom_info["child_jobs"]
    assert told[-1]["statement_type"] == "SELECT"
    assert all(statement["job_id"] and "bytes_billed" in statement for statement in told)
    results = task.interface.read_outputs(task.name, resource.outputs)["results"]
    frame = await results.open(pandas.DataFrame).all()
    assert list(frame["n"]) == [2, 3]


async def test_the_destination_is_where_the_result_goes(calls: Calls) -> None:
    """Destination, dispositions and default dataset of the configuration reach BigQuery."""
    config = dataclasses.replace(
        calls.config,
        destination=f"{calls.config.default_dataset}.kept",
        write_disposition="WRITE_TRUNCATE",
        create_disposition="CREATE_IF_NEEDED",
        labels={"team": "botany"},
        use_query_cache=False,
    )
    task = BigQueryTask(
        name="kept",
        query_template="SELECT species FROM iris LIMIT 2",
        plugin_config=config,
        output_dataframe_type=DataFrame,
    )
    for _ in range(2):
        assert (await calls.run(task))["results"].uri == calls.uri("kept")


async def test_warnings_of_a_job_do_not_fail_it(emulated: Calls, front: Front) -> None:
    """Entries in `errors` beside a job that succeeded are a message, not a failure."""

    def warn(job: dict[str, Any]) -> None:
        job["status"]["errors"] = [{"reason": "invalid", "message": "Row 7 was skipped"}]

    front.faults.append(Fault(rewrite(warn), method="GET", path="/jobs/"))
    resource = await (await emulated.create(emulated.query("SELECT 1"))).end()
    assert resource.phase == Phase.SUCCEEDED
    assert resource.message == "warnings of BigQuery: Row 7 was skipped (invalid)"


async def test_the_console_shows_the_job(calls: Calls) -> None:
    """Each state comes with a link to the job in Google's console."""
    resource = await (await calls.create(calls.query("SELECT 1"))).end()
    (link,) = resource.log_links
    assert link.uri.startswith(
        f"https://console.cloud.google.com/bigquery?project={calls.config.ProjectID}&j=bq:{calls.config.Location}:"
    )


async def test_the_statements_of_a_script_are_an_output(calls: Calls) -> None:
    """Each with its kind and its cost, in the order they ran."""
    script = "CREATE TEMP TABLE x AS SELECT 1 AS n; INSERT INTO x VALUES (2), (3); SELECT * FROM x;"
    task = calls.query(script, outputs={"statements": list[dict]})
    statements = (await calls.run(task))["statements"]
    kinds = [statement["statement_type"] for statement in statements]
    assert kinds == ["CREATE_TABLE_AS_SELECT", "INSERT", "SELECT"]
    assert statements[1]["rows_affected"] == 2
    assert all(int(statement["bytes_billed"]) >= 0 for statement in statements)


async def test_the_tables_that_a_query_reads_are_an_output(calls: Calls) -> None:
    """And a fact of each execution, beside the table that it gives: where data came from, and where it went."""
    sql = "SELECT (SELECT COUNT(*) FROM iris) + (SELECT COUNT(*) FROM lineage) AS n"
    await calls.run(calls.query("CREATE OR REPLACE TABLE lineage AS SELECT 1 AS n"))
    task = calls.query(sql, outputs={"n": int, "referenced_tables": list[str]}, frame=True)
    resource = await (await calls.create(task)).end()
    given = task.interface.read_outputs(task.name, resource.outputs)
    read = {calls.table("iris"), calls.table("lineage")}
    assert set(given["referenced_tables"]) == set(resource.custom_info["referenced_tables"]) == read
    assert given["n"] == 151


async def test_a_session_goes_on_from_query_to_query(calls: Calls) -> None:
    """Its id is an output of the first and an input of the next, whose temporary tables it has."""
    first = calls.query(
        "CREATE TEMP TABLE kept AS SELECT @n AS n",
        inputs={"n": int},
        outputs={"session_id": str},
        create_session=True,
    )
    session = (await calls.run(first, {"n": 7}))["session_id"]
    later = calls.query(
        "SELECT n - @session_ident AS n FROM kept",
        inputs={"session_id": str, "session_ident": int},
        outputs={"n": int},
    )
    assert await calls.run(later, {"session_id": session, "session_ident": 1}) == {"n": 6}


async def test_a_parameter_may_be_called_session_id(calls: Calls) -> None:
    """Where the statement uses it."""
    task = calls.query("SELECT @session_id AS s", inputs={"session_id": str}, outputs={"s": str})
    assert await calls.run(task, {"session_id": "x"}) == {"s": "x"}
