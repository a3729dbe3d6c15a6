"""Load, extract and copy jobs on a real server: files into tables, tables into files and tables."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import datetime
import json
import uuid
from typing import TYPE_CHECKING, Any

import polars
import pyarrow
import pyarrow.parquet
import pytest
from bed import iris
from bed.calls import CONFIG, Calls
from bed.proxy import Fault, Front, Reply, lost_reply, rewrite
from flyte_connectors import DataFrame, Dir, File
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_bigquery import (
    BigQueryCopyConfig,
    BigQueryCopyTask,
    BigQueryExtractConfig,
    BigQueryExtractTask,
    BigQueryLoadConfig,
    BigQueryLoadTask,
    TimePartitioning,
)
from flyte_connectors_bigquery.jobs.settings import OF_KIND
from google.cloud import bigquery

if TYPE_CHECKING:
    from pathlib import Path

    from bed.emulator import Emulator

WHERE = {"ProjectID": CONFIG.ProjectID, "Location": CONFIG.Location}
SCHEMA = {"n": "INT64", "day": "DATE", "tags": "ARRAY<STRING>"}
ROWS = [{"n": n, "day": "2024-02-29", "tags": ["a"]} for n in range(3)]


@pytest.fixture
def bucket(server: Emulator) -> Path:
    """A new bucket of Cloud Storage, as a folder."""
    folder = server.buckets / uuid.uuid4().hex
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def table() -> str:
    """A table that does not exist."""
    return f"garden.t{uuid.uuid4().hex}"


def load(table: str, *, inputs: Any = None, outputs: Any = None, **config: Any) -> BigQueryLoadTask:
    """A task that loads into `table`."""
    settings = BigQueryLoadConfig(destination=table, **{**WHERE, **config})
    return BigQueryLoadTask("load", settings, inputs, outputs)


def write_rows(path: Path) -> str:
    """`ROWS` in a file of the bucket."""
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return f"gs://{path.parent.name}/{path.name}"


async def test_rows_of_a_file_become_a_typed_table(emulated: Calls, bucket: Path, table: str) -> None:
    """The table and what went into it are outputs."""
    uri = write_rows(bucket / "rows.jsonl")
    outputs = {"results": DataFrame, "rows": int}
    task = load(table, source_uris=[uri], schema=SCHEMA, outputs=outputs)
    given = await emulated.run(task)
    assert given["rows"] == 3
    frame = given["results"].open(polars.DataFrame).all_sync().sort("n")
    day = datetime.date(2024, 2, 29)
    assert frame.to_dicts() == [{"n": n, "day": day, "tags": ["a"]} for n in range(3)]


@pytest.mark.parametrize("kind", ["str", "File", "Dir", "DataFrame", "list"])
async def test_inputs_are_files(emulated: Calls, bucket: Path, table: str, kind: str) -> None:
    """Whatever names them; the format goes by the ending, or by what a DataFrame says."""
    rows = pyarrow.Table.from_pylist([{"n": n} for n in range(3)])
    for name in ("a.parquet", "b.parquet"):
        pyarrow.parquet.write_table(rows, bucket / name)
    one, everything = f"gs://{bucket.name}/a.parquet", f"gs://{bucket.name}"
    python_type, value, expected = {
        "str": (str, one, 3),
        "File": (File, File(path=one), 3),
        "Dir": (Dir, Dir(path=everything), 6),
        "DataFrame": (DataFrame, DataFrame(uri=one, format="parquet"), 3),
        "list": (list[File], [File(path=one), File(path=f"{everything}/b.parquet")], 6),
    }[kind]
    task = load(table, inputs={"files": python_type}, outputs={"rows": int}, source_format="PARQUET")
    assert await emulated.run(task, {"files": value}) == {"rows": expected}


async def test_a_csv_file_is_read_as_configured(emulated: Calls, table: str, bucket: Path) -> None:
    """Fisher's irises: a header to skip, the vendor's object for the rest, rows that are replaced."""
    with (bucket / "iris.csv").open("w") as file:
        writer = csv.DictWriter(file, iris.rows()[0], delimiter=";")
        writer.writeheader()
        writer.writerows(iris.rows())
    task = load(
        table,
        source_uris=[f"gs://{bucket.name}/*.csv"],
        schema={name: "STRING" if name == "species" else "FLOAT64" for name in iris.rows()[0]},
        skip_leading_rows=1,
        write_disposition="WRITE_TRUNCATE",
        LoadJobConfig=bigquery.LoadJobConfig(field_delimiter=";"),
        outputs={"rows": int},
    )
    for _ in range(2):
        assert await emulated.run(task) == {"rows": 150}
    assert await emulated.run(emulated.query(f"SELECT COUNT(*) FROM {table}", outputs={"n": int})) == {"n": 150}


async def test_a_table_becomes_files_and_a_table_again(emulated: Calls, bucket: Path, table: str) -> None:
    """What a query gave is extracted; what was extracted is loaded."""
    results = (await emulated.run(emulated.query("SELECT * FROM iris", frame=True)))["results"]
    uri = f"gs://{bucket.name}/part-*.parquet"
    settings = BigQueryExtractConfig(
        destination_uris=[uri], destination_format="PARQUET", compression="SNAPPY", **WHERE
    )
    extract = BigQueryExtractTask("extract", settings, {"table": DataFrame}, {"uris": list[str], "files": int})
    assert await emulated.run(extract, {"table": results}) == {"uris": [uri], "files": 1}
    assert pyarrow.parquet.read_table(bucket / "part-000000000000.parquet").num_rows == 150
    again = load(table, inputs={"uris": list[str]}, outputs={"rows": int})
    assert await emulated.run(again, {"uris": [uri]}) == {"rows": 150}


async def test_a_csv_file_is_written_as_configured(emulated: Calls, bucket: Path) -> None:
    """Without a header, with a delimiter."""
    settings = BigQueryExtractConfig(
        source="garden.iris",
        destination_uris=[f"gs://{bucket.name}/iris.csv"],
        print_header=False,
        field_delimiter="|",
        **WHERE,
    )
    await emulated.run(BigQueryExtractTask("extract", settings))
    lines = (bucket / "iris.csv").read_text().splitlines()
    assert len(lines) == 150
    assert all(line.count("|") == 4 for line in lines)


async def test_tables_are_copied(emulated: Calls, table: str) -> None:
    """From the configuration and from inputs, appended."""
    settings = BigQueryCopyConfig(destination=table, sources=["garden.iris"], write_disposition="WRITE_APPEND", **WHERE)
    outputs = {"results": DataFrame, "rows": int}
    task = BigQueryCopyTask("copy", settings, {"more": list[DataFrame]}, outputs)
    given = await emulated.run(task, {"more": [DataFrame(uri=emulated.uri("iris"))]})
    assert given["rows"] == 300
    assert given["results"].open(pyarrow.Table).all_sync().num_rows == 300


@pytest.mark.parametrize("kind", ["load", "extract", "copy"])
async def test_a_lost_reply_and_a_race_start_one_job(
    emulated: Calls, front: Front, bucket: Path, table: str, kind: str
) -> None:
    """The id of the job is the task's key, as for queries; other inputs are another request."""
    uri = write_rows(bucket / "rows.jsonl")
    task: Any = {
        "load": load(table, source_uris=[uri], schema=SCHEMA, outputs={"rows": int}),
        "extract": BigQueryExtractTask(
            "extract",
            BigQueryExtractConfig(source="garden.iris", destination_uris=[f"{uri}.csv"], **WHERE),
        ),
        "copy": BigQueryCopyTask("copy", BigQueryCopyConfig(destination=table, sources=["garden.iris"], **WHERE)),
    }[kind]
    started: set[str] = set()

    def look(_handler: Any, forward: Any) -> Reply:
        reply: Reply = forward()
        if reply.status == 200:
            started.add(json.loads(reply.body)["jobReference"]["jobId"])
        return reply

    front.faults.append(Fault(lost_reply, method="POST", times=1))
    front.faults.append(Fault(look, method="POST"))
    run = f"once-{kind}-{uuid.uuid4().hex[:6]}"
    jobs = await asyncio.gather(*(emulated.create(task, run=run) for _ in range(3)))
    for job in jobs:
        assert (await job.end()).phase == Phase.SUCCEEDED
    assert len({job.meta for job in jobs}) == 1
    assert len(started) <= 1
    if kind == "load":
        counted = emulated.query(f"SELECT COUNT(*) FROM {table}", outputs={"n": int})
        assert await emulated.run(counted) == {"n": 3}


async def test_a_load_that_fails_says_why(emulated: Calls, bucket: Path, table: str) -> None:
    """BigQuery's words, in the state and at the end of the log."""
    (bucket / "rows.jsonl").write_text('{"n": "many"}\n')
    uri = f"gs://{bucket.name}/rows.jsonl"
    job = await emulated.create(load(table, source_uris=[uri], schema={"n": "INT64"}))
    resource = await job.end()
    assert resource.phase == Phase.FAILED
    assert resource.message
    lines, token = await job.log()
    assert lines[-1].message == f"ended FAILED: {resource.message}"
    assert not token


async def test_a_load_tells_how_far_it_is_and_what_it_did(
    emulated: Calls, front: Front, bucket: Path, table: str
) -> None:
    """BigQuery has a ratio for loads; the end has metrics and a link."""
    running = {"on": True}

    def half(job: dict[str, Any]) -> None:
        if running["on"]:
            job["statistics"] |= {"completionRatio": 0.5}
            job["status"] = {"state": "RUNNING"}

    front.faults.append(Fault(rewrite(half), method="GET", path="/jobs/"))
    uri = write_rows(bucket / "rows.jsonl")
    job = await emulated.create(load(table, source_uris=[uri], schema=SCHEMA))
    resource = await job.get()
    assert resource.phase == Phase.RUNNING
    assert resource.custom_info["progress"] == 0.5
    running["on"] = False
    resource = await job.end()
    assert resource.custom_info["rows"] == 3
    assert (await job.metrics("rows")) == {"rows": 3}
    assert "console.cloud.google.com" in resource.log_links[0].uri
    await job.delete()


def test_settings_are_what_the_vendor_would_send() -> None:
    """Ours and the vendor's objects give the same REST resources."""
    day = datetime.timedelta(days=1)
    loads = BigQueryLoadConfig(
        ProjectID="p",
        destination="d.t",
        source_format="CSV",
        autodetect=False,
        max_bad_records=2,
        skip_leading_rows=1,
        clustering_fields=["a"],
        time_partitioning=TimePartitioning("day", expiration=day),
        schema={"n": "INT64", "s": "ARRAY<STRUCT<x DATE>>", "r": "RANGE<DATE>"},
        job_timeout=day,
        reservation="none",
    ).to_custom()
    vendors = bigquery.LoadJobConfig(
        source_format="CSV",
        autodetect=False,
        max_bad_records=2,
        skip_leading_rows=1,
        clustering_fields=["a"],
        time_partitioning=bigquery.TimePartitioning(field="day", expiration_ms=86_400_000),
    ).to_api_repr()["load"]
    number = {name: int(vendors[name]) for name in ("skipLeadingRows", "maxBadRecords")}
    assert {name: loads[name] for name in vendors} == {**vendors, **number}
    fields = [bigquery.SchemaField.from_api_repr(field) for field in loads["schema"]["fields"]]
    assert [(field.name, field.field_type, field.mode) for field in fields] == [
        ("n", "INT64", "NULLABLE"),
        ("s", "STRUCT", "REPEATED"),
        ("r", "RANGE", "NULLABLE"),
    ]
    assert loads["reservation"] == "none"
    known = {"ProjectID", "destinationTable", "schema", "jobTimeoutMs", "reservation"}
    assert loads.keys() - known <= OF_KIND["load"]


@pytest.mark.parametrize(
    ("task", "inputs", "said"),
    [
        (load("garden.t"), {}, r"custom\.sourceUris: missing"),
        (
            load("garden.t", source_uris=["s3://b/x.csv"]),
            {},
            r"custom\.sourceUris: 's3://b/x.csv': .* Cloud Storage only",
        ),
        (load("garden.t", source_uris=["gs://b/x"]), {}, r"custom\.sourceFormat: .* set source_f"),
        (
            load("garden.t", inputs={"files": list[File]}),
            {"files": [File(path="/etc/passwd")]},
            r"inputs\.files\[0\]: '/etc/passwd'",
        ),
        (load("garden.t", inputs={"n": int}), {"n": 1}, r"inputs\.n: expected files"),
        (
            load("garden.t", source_uris=["gs://b/x.csv"], labels={"Team": "x"}),
            {},
            r"custom\.labels\.Team",
        ),
        (
            load(
                "garden.t",
                source_uris=["gs://b/x.csv"],
                LoadJobConfig=bigquery.LoadJobConfig.from_api_repr({"load": {"prioritty": 1}}),
            ),
            {},
            r"custom\.prioritty: unknown setting",
        ),
        (
            BigQueryExtractTask("extract", BigQueryExtractConfig(destination_uris=["gs://b/x"], **WHERE)),
            {},
            r"custom\.sourceTable: expected one table",
        ),
        (
            BigQueryExtractTask(
                "extract",
                BigQueryExtractConfig(source="d.t", destination_uris=["file:///x"], **WHERE),
            ),
            {},
            r"custom\.destinationUris: 'file:///x'",
        ),
        (
            BigQueryCopyTask("copy", BigQueryCopyConfig(destination="garden.t", **WHERE)),
            {},
            r"custom\.sourceTables: missing",
        ),
        (
            BigQueryCopyTask("copy", BigQueryCopyConfig(destination="garden.t", **WHERE), {"t": DataFrame}),
            {"t": DataFrame(uri="gs://b/x.parquet")},
            r"inputs\.t: .* write bq://project:dataset\.table",
        ),
    ],
)
async def test_a_bad_request_starts_nothing(
    emulated: Calls, front: Front, task: Any, inputs: dict[str, Any], said: str
) -> None:
    """One line that names the field."""
    with pytest.raises(InvalidRequestError, match=said):
        await emulated.create(task, inputs)
    assert not front.calls


async def test_an_output_that_a_job_does_not_give_is_named(emulated: Calls, table: str) -> None:
    """With those that it gives."""
    settings = BigQueryCopyConfig(destination=table, sources=["garden.iris"], **WHERE)
    job = await emulated.create(BigQueryCopyTask("copy", settings, outputs={"files": int}))
    resource = await job.end()
    assert resource.phase == Phase.FAILED
    assert resource.message == "outputs.files: a copy job gives rows, bytes, results"


def test_configurations_are_copied_with_changes() -> None:
    """They are dataclasses, as that of a query is."""
    settings = BigQueryCopyConfig(destination="d.t", ProjectID="p")
    assert dataclasses.replace(settings, sources=["d.s"]).to_custom()["sourceTables"] == [
        {"projectId": "p", "datasetId": "d", "tableId": "s"}
    ]
