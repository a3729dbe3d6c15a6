"""Load jobs whose data come with the request: rows of inputs, and files that are not in Cloud Storage."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import uuid
from typing import TYPE_CHECKING, Any

import polars
import pyarrow
import pyarrow.parquet
import pytest
from bed.calls import CONFIG
from bed.proxy import Fault, lost_reply
from flyte_connectors import DataFrame, Dir, File
from flyte_connectors.connector import Phase
from flyte_connectors.errors import ConflictError, InvalidRequestError
from flyte_connectors_bigquery import BigQueryLoadConfig, BigQueryLoadTask
from flyte_connectors_bigquery.settings import UPLOAD_FROM_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from bed.calls import Calls
    from bed.proxy import Front

DAY = datetime.date(2024, 2, 29)


@dataclasses.dataclass
class Item:
    """A row with parts."""

    n: int
    day: datetime.date
    price: decimal.Decimal
    tags: list[str]


SCHEMA = {"n": "INT64", "day": "DATE", "price": "NUMERIC", "tags": "ARRAY<STRING>"}
PRICE = decimal.Decimal("1.50")


@pytest.fixture
def table() -> str:
    """A table that does not exist."""
    return f"garden.t{uuid.uuid4().hex}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the operator allows."""
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    monkeypatch.setenv(UPLOAD_FROM_VARIABLE, f"s3://elsewhere/x, {allowed}")
    return allowed


def load(table: str, kind: Any, **config: Any) -> BigQueryLoadTask:
    """A task with the input `data`."""
    settings = BigQueryLoadConfig(ProjectID=CONFIG.ProjectID, Location=CONFIG.Location, destination=table, **config)
    return BigQueryLoadTask("load", settings, {"data": kind}, {"results": DataFrame, "rows": int})


@pytest.mark.parametrize("kind", [list[Item], list[dict]])
async def test_rows_of_an_input_become_a_table(emulated: Calls, table: str, kind: Any) -> None:
    """Dataclasses and JSON objects, typed by the schema."""
    item = Item(1, DAY, PRICE, ["a", "ż"])
    plain = {"n": 1, "day": "2024-02-29", "price": "1.50", "tags": ["a", "ż"]}
    task = load(table, kind, schema=SCHEMA)
    given = await emulated.run(task, {"data": [item if kind == list[Item] else plain] * 2})
    assert given["rows"] == 2
    frame = given["results"].open(polars.DataFrame).all_sync()
    assert frame.to_dicts() == [dataclasses.asdict(item)] * 2


async def test_rows_are_loaded_once(emulated: Calls, front: Front, table: str) -> None:
    """After a lost reply and a repeated request; other rows are another request."""
    task = load(table, list[dict], schema={"n": "INT64"})
    run = uuid.uuid4().hex
    front.faults.append(Fault(lost_reply, method="POST", times=1))
    for _ in range(2):
        job = await emulated.create(task, {"data": [{"n": 1}]}, run=run)
        assert (await job.end()).phase == Phase.SUCCEEDED
    counted = emulated.query(f"SELECT COUNT(*) FROM {table}", outputs={"n": int})
    assert await emulated.run(counted) == {"n": 1}
    with pytest.raises(ConflictError):
        await emulated.create(task, {"data": [{"n": 2}]}, run=run)


@pytest.mark.parametrize("kind", ["frame", "file", "folder", "csv"])
async def test_files_are_sent_from_folders_that_are_allowed(
    emulated: Calls, table: str, folder: Path, kind: str
) -> None:
    """What an earlier task stored where BigQuery can't read it; parts of a table become one upload."""
    rows = pyarrow.table({"n": [1, 2]})
    for name in ("a.parquet", "b.parquet"):
        pyarrow.parquet.write_table(rows, folder / name)
    (folder / "c.csv").write_text("n\n1\n2\n")
    python_type, value, expected, config = {
        "frame": (DataFrame, DataFrame(uri=f"file://{folder}/a.parquet"), 2, {}),
        "file": (list[File], [File(path=f"{folder}/{n}.parquet") for n in "ab"], 4, {}),
        "folder": (Dir, Dir(path=str(folder)), 4, {"source_format": "PARQUET"}),
        "csv": (str, f"{folder}/c.csv", 2, {"skip_leading_rows": 1, "schema": {"n": "INT64"}}),
    }[kind]
    if kind == "folder":
        (folder / "c.csv").unlink()
    given = await emulated.run(load(table, python_type, **config), {"data": value})
    assert given["rows"] == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("/etc/passwd", r"'/etc/passwd': .* lists in FLYTE_CONNECTORS_BIGQUERY_UPLOAD_FROM"),
        ("{folder}/../../secret.csv", "lists in FLYTE"),
        ("{folder}-too/secret.csv", "lists in FLYTE"),
        ("{folder}/link/secret.csv", "lists in FLYTE"),
        ("s3://elsewhere/xy/secret.csv", "lists in FLYTE"),
        ("s3://elsewhere/x/../secret.csv", "lists in FLYTE"),
        ("http://169.254.169.254/x.csv", "lists in FLYTE"),
        ("bq://p1:garden.iris", "is a table: use BigQueryCopyTask"),
        ("{folder}/missing.csv", "missing.csv"),
    ],
)
async def test_other_files_are_not_read(emulated: Calls, front: Front, folder: Path, value: str, said: str) -> None:
    """Neither beside the folder nor through links out of it; the field and the variable are named."""
    (folder / "link").symlink_to(folder.parent)
    (folder.parent / "secret.csv").write_text("n\n1\n")
    with pytest.raises(InvalidRequestError, match=rf"inputs\.data: .*{said}"):
        await emulated.create(load("garden.t", str), {"data": value.format(folder=folder)})
    assert not front.count("POST")


@pytest.mark.parametrize(
    ("config", "value", "said"),
    [
        ({"source_uris": ["gs://b/x.json"]}, [{"n": 1}], "inputs: a job loads files of Cloud"),
        ({}, [{"n": float("inf")}], r"inputs\.data: "),
        ({}, [], r"custom\.sourceUris: missing"),
    ],
)
async def test_rows_that_can_not_be_loaded_start_nothing(
    emulated: Calls, front: Front, config: Any, value: Any, said: str
) -> None:
    """One line that names the field."""
    with pytest.raises(InvalidRequestError, match=said):
        await emulated.create(load("garden.t", list[dict], **config), {"data": value})
    assert not front.calls


async def test_several_files_of_text_are_not_one_upload(emulated: Calls, front: Front, folder: Path) -> None:
    """Their headers would be rows."""
    for name in "ab":
        (folder / f"{name}.csv").write_text("n\n1\n")
    files = [File(path=f"{folder}/{name}.csv") for name in "ab"]
    with pytest.raises(InvalidRequestError, match=r"inputs\.data: 2 files: only parquet"):
        await emulated.create(load("garden.t", list[File]), {"data": files})
    assert not front.count("POST")
