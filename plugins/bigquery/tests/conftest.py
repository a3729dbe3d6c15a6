"""One server for the whole session, one proxy for each test, Fisher's irises in a table."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

sys.path.insert(0, str(Path(__file__).parent))  # the tests share the package `bed`

from bed import emulator, proxy
from bed.calls import Calls
from flyte_connectors_bigquery import connections
from flyte_connectors_bigquery.credentials import EMULATOR_VARIABLE
from flyte_connectors_bigquery.tables import STORAGE_EMULATOR_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.emulator import Emulator
    from bed.proxy import Front

IRIS = Path(__file__).parent / "data/iris.csv"


@pytest.fixture(scope="session")
def server() -> Iterator[Emulator]:
    """The running server, with the table `garden.iris`."""
    with emulator.running() as running:
        _plant(running.url)
        yield running


@pytest.fixture
def front(server: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """The proxy that the plugin talks to, in place of Google."""
    with proxy.running(server.url) as front:
        monkeypatch.setenv(EMULATOR_VARIABLE, front.url)
        monkeypatch.setenv(STORAGE_EMULATOR_VARIABLE, server.storage_host)
        yield front
        connections.close_all()


@pytest.fixture
def calls(front: Front) -> Calls:
    """The connectors behind the core's call path."""
    return Calls()


def _plant(url: str) -> None:
    with bigquery.Client(
        project=emulator.PROJECT,
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": url},
    ) as vendor:
        vendor.create_dataset("garden")
        sizes = ("sepal_length", "sepal_width", "petal_length", "petal_width")
        columns = ", ".join([*(f"{size} FLOAT64" for size in sizes), "species STRING"])
        vendor.query(f"CREATE TABLE garden.iris ({columns})").result()
        with IRIS.open() as file:
            rows = list(csv.DictReader(file))
        assert not vendor.insert_rows_json("garden.iris", rows)
