"""What this package costs beside the vendor's client: processor time of a query, and of a large result.

Processor time, so that it matters little what else the machine does; the server is another process.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from bed.calls import CONFIG, Calls
from flyte_connectors_bigquery.settings import EMULATOR_VARIABLE, STORAGE_EMULATOR_VARIABLE
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.emulator import Emulator

ROUNDS, QUERIES = 5, 10
OVERHEAD_SECONDS = 0.006

ROWS = 1_000_000
BUFFERED = 5
"""What reading may hold at a time, in messages of the Storage API. The emulator puts a million rows into
one; Google's have a few megabytes."""

READ = """
import json, resource, sys, time
import pyarrow
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery, bigquery_storage  # the libraries are no part of the comparison
import pandas
from flyte_connectors_bigquery.results import tables

def over_rest():
    with bigquery.Client(project="p1", credentials=AnonymousCredentials()) as client:
        yield from client.list_rows("p1.garden.large").to_arrow_iterable()

batches = {
    "rest": over_rest,
    "ours": lambda: tables.read_batches("bq://p1:garden.large"),
}[sys.argv[1]]()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, started = peak(), time.process_time()
rows = largest = 0
for batch in batches:
    rows, largest = rows + batch.num_rows, max(largest, batch.nbytes)
cpu = time.process_time() - started
print(json.dumps({"rows": rows, "largest": largest, "cpu": cpu, "memory": peak() - before}))
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
        config = bigquery.QueryJobConfig(
            query_parameters=[bigquery.ScalarQueryParameter("n", "INT64", n)]
        )
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
@pytest.mark.timeout(600)
def test_a_million_rows_cost_half_of_rest(
    direct: bigquery.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """To Arrow, in bounded memory; each reader is a process of its own."""
    direct.query(
        f"""
        CREATE OR REPLACE TABLE garden.large AS
        SELECT n, n / 7 AS f, DATE_ADD(DATE '2024-01-01', INTERVAL MOD(n, 365) DAY) AS day,
            CONCAT('{"x" * 120}', CAST(n AS STRING)) AS s
        FROM UNNEST(GENERATE_ARRAY(1, {ROWS})) AS n"""
    ).result()
    read = {}
    for way in ("ours", "rest"):
        command = [sys.executable, "-W", "ignore", "-c", READ, way]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        read[way] = json.loads(done.stdout)
    ratio = read["ours"]["cpu"] / read["rest"]["cpu"]
    with capsys.disabled():
        print(f"\n{ratio:.3f} of the processor time of REST: {read}")  # noqa: T201
    assert read["ours"]["rows"] == read["rest"]["rows"] == ROWS
    assert ratio <= 0.5
    assert read["ours"]["memory"] < BUFFERED * read["ours"]["largest"]
