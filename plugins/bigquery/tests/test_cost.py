"""What this package costs beside the vendor's client: processor time of a query, and of a large result.

Processor time, so that it matters little what else the machine does; the server is another process.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bed import neighbour, service, storage
from bed.calls import CONFIG, Calls
from flyte_connectors.client.remote import RemoteService
from flyte_connectors_bigquery.settings import EMULATOR_VARIABLE, STORAGE_EMULATOR_VARIABLE
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.emulator import Emulator
    from bed.proxy import Front

ROUNDS, QUERIES = 5, 10
OVERHEAD_SECONDS = 0.006

CREATES = 11
FIRST_SECONDS = 0.01

ROWS = 1_000_000
MEMORY_BYTES = 100_000_000
"""What reading may need besides what the libraries do."""

GROWTH_BYTES = 40_000_000
"""How much more of it four times the rows may need: what the allocators of gRPC and Arrow do not give back."""

READ = """
import json, pathlib, re, sys, time
import pyarrow
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, bigquery_storage  # the libraries are no part of the comparison
import pandas
from flyte_connectors_bigquery.results import tables

def over_rest(table):
    with bigquery.Client(project="p1", credentials=AnonymousCredentials()) as client:
        yield from client.list_rows(f"p1.garden.{table}").to_arrow_iterable()

def peak():
    # Not `ru_maxrss`, which begins with that of the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status)[1])

way, table = sys.argv[1:]
batches = {
    "rest": over_rest,
    "ours": lambda table: tables.read_batches(f"bq://p1:garden.{table}"),
}[way](table)
before, started = peak(), time.process_time()
rows = total = 0
for batch in batches:
    rows, total = rows + batch.num_rows, total + batch.nbytes
cpu = time.process_time() - started
print(json.dumps({"rows": rows, "bytes": total, "cpu": cpu, "memory": peak() - before}))
"""


@pytest.fixture
def direct(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[bigquery.Client]:
    """The vendor's client; both it and this package talk to the server itself."""
    monkeypatch.setenv(EMULATOR_VARIABLE, server.url)
    monkeypatch.setenv(STORAGE_EMULATOR_VARIABLE, server.storage_host)
    with bigquery.Client(
        project=CONFIG.ProjectID,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": server.url},
    ) as client:
        yield client


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_query_costs_little_more_than_the_client(
    direct: bigquery.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the request to its outputs: validation, an idempotent job, its state, values by type."""
    calls = Calls()
    task = calls.query("SELECT @n AS n", inputs={"n": int}, outputs={"n": int})

    def plain(n: int) -> int:
        config = bigquery.QueryJobConfig(query_parameters=[bigquery.ScalarQueryParameter("n", "INT64", n)])
        (row,) = direct.query("SELECT @n AS n", job_config=config).result()
        return int(row["n"])

    overheads = []
    for number in range(ROUNDS + 1):
        started = time.process_time()
        assert [plain(n) for n in range(QUERIES)] == list(range(QUERIES))
        between = time.process_time()
        for n in range(QUERIES):
            assert await calls.run(task, {"n": n}) == {"n": n}
        ours = time.process_time() - between
        if number:  # the first has opened connections and imported modules
            overheads.append((ours - (between - started)) / QUERIES)
    overhead = statistics.median(overheads)
    with capsys.disabled():
        print(f"\n{overhead * 1000:.2f} ms of processor time per query over the plain client")  # noqa: T201
    assert overhead < OVERHEAD_SECONDS, overheads


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_first_create_costs_what_the_tenth_does(front: Front, tmp_path: Path) -> None:
    """Once a service is warm; what is left is the vendor's client and its connection, once per identity."""
    with service.running(tmp_path, Path(neighbour.__file__)) as served:
        costs = []
        async with RemoteService(served.address) as remote:
            answers = 0  # while the vendor's client is imported
            while (await remote.get(neighbour.REQUEST)).resource.message == neighbour.WARM_UP:
                answers += 1
                await asyncio.sleep(0.1)
            assert answers
            calls = Calls(remote)
            for number in range(CREATES):
                before = _cpu(served.pid)
                await calls.create(calls.query(f"SELECT {number}"))
                costs.append(_cpu(served.pid) - before)
    assert front.count("POST", "/jobs") == CREATES
    assert costs[0] < statistics.median(costs[1:]) + FIRST_SECONDS, costs


def _cpu(pid: int) -> float:
    """Processor time of all threads that a process has now, in seconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


@pytest.fixture
def streaming(direct: bigquery.Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[bigquery.Client]:
    """The same, with a Storage API that sends rows as Google's does; tables are made as the tests name them."""
    with storage.running() as server:
        monkeypatch.setenv(STORAGE_EMULATOR_VARIABLE, server.host)
        yield direct


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_rows_cost_half_of_rest(streaming: bigquery.Client, capsys: pytest.CaptureFixture[str]) -> None:
    """To Arrow; each reader is a process of its own, and both read the same columns."""
    table = f"rows_{ROWS}"
    streaming.query(
        f"""
        CREATE OR REPLACE TABLE garden.{table} AS
        SELECT n, n / 7 AS f, DATE_ADD(DATE '2024-03-01', INTERVAL MOD(n, 365) DAY) AS day,
            CONCAT('{"x" * 120}', CAST(n AS STRING)) AS s
        FROM UNNEST(GENERATE_ARRAY(0, {ROWS - 1})) AS n"""
    ).result()
    ours, rest = _read("ours", table), _read("rest", table)
    ratio = ours["cpu"] / rest["cpu"]
    with capsys.disabled():
        print(f"\n{ratio:.3f} of the processor time of REST: {ours}, {rest}")  # noqa: T201
    assert ours["rows"] == rest["rows"] == ROWS
    assert ours["bytes"] == pytest.approx(rest["bytes"], rel=0.05)
    assert ratio <= 0.5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_the_rows(streaming: bigquery.Client, capsys: pytest.CaptureFixture[str]) -> None:
    """A message at a time is held, of 150 MB and of 600 MB alike."""
    read = []
    for rows in (ROWS, 4 * ROWS):
        streaming.query(f"CREATE TABLE IF NOT EXISTS garden.rows_{rows} ({storage.DDL})").result()
        read.append(_read("ours", f"rows_{rows}"))
        assert read[-1]["rows"] == rows
    with capsys.disabled():
        print(f"\nmemory for one and four million rows: {read}")  # noqa: T201
    assert all(one["memory"] < MEMORY_BYTES for one in read)
    assert read[1]["memory"] < read[0]["memory"] + GROWTH_BYTES


def _read(way: str, table: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-c", READ, way, table]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured
