"""Where tests run their queries.

    calls       on the emulator and, marked `live`, on Google's service: tests of results
    emulated    on the emulator: tests that inject faults through the proxy `front`, or count calls
    live        on Google's service: tests of what no emulator can promise

There is one server with one proxy for the whole session, with Fisher's irises in a table. Each test has faults
and counts of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

sys.path.insert(0, str(Path(__file__).parent))  # the tests share the package `bed`

from bed import discovery, emulator, google_cloud, iris, keys, proxy
from bed.calls import CONFIG, Calls
from flyte_connectors_bigquery.access import connections
from flyte_connectors_bigquery.settings import (
    ALLOWED_PROJECTS_VARIABLE,
    EMULATOR_VARIABLE,
    STORAGE_EMULATOR_VARIABLE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.emulator import Emulator
    from bed.proxy import Front, Proxy
    from flyte_connectors_bigquery import BigQueryConfig

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def server() -> Iterator[Emulator]:
    """The running server, with the table `garden.iris`."""
    with emulator.running() as running:
        with bigquery.Client(
            project=emulator.PROJECT,
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": running.url},
        ) as vendor:
            vendor.create_dataset(CONFIG.default_dataset)
            iris.plant(vendor, str(CONFIG.default_dataset))
        yield running


@pytest.fixture(scope="session")
def forwarding(server: Emulator) -> Iterator[Proxy]:
    """The proxy of all tests."""
    with proxy.running(server.url) as running:
        yield running


@pytest.fixture
def front(server: Emulator, forwarding: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """What the plugin talks to, in place of Google; jobs have to be as Google describes them."""
    with forwarding.fronting() as front:
        monkeypatch.setenv(EMULATOR_VARIABLE, front.url)
        monkeypatch.setenv(STORAGE_EMULATOR_VARIABLE, server.storage_host)
        yield front
        connections.close_all()
    for job in front.jobs:
        assert list(discovery.deviations(job, discovery.schemas()["Job"], "job")) == []


@pytest.fixture
def key(front: Front) -> str:
    """A service account's JSON, whose tokens come from the proxy."""
    return keys.service_account_key(front)


@pytest.fixture
def emulated(front: Front) -> Calls:
    """The connectors on the emulator, for tests that inject faults or count calls."""
    return Calls()


@pytest.fixture(scope="session")
def planted() -> Iterator[BigQueryConfig]:
    """A dataset of Google's with the table `iris`."""
    with google_cloud.planted() as config:
        yield config


@pytest.fixture
def live(planted: BigQueryConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """The connectors on Google's service, for tests of what no emulator can promise."""
    monkeypatch.delenv(EMULATOR_VARIABLE, raising=False)
    monkeypatch.delenv(STORAGE_EMULATOR_VARIABLE, raising=False)
    monkeypatch.setenv(ALLOWED_PROJECTS_VARIABLE, planted.ProjectID)
    yield Calls(config=planted)
    connections.close_all()


@pytest.fixture(params=["emulated", pytest.param("live", marks=pytest.mark.live)])
def calls(request: pytest.FixtureRequest) -> Calls:
    """The connectors on either; the same test for both."""
    calls: Calls = request.getfixturevalue(request.param)
    return calls
