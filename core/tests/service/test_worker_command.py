"""The command line of workers, and the sums of their metrics."""

from __future__ import annotations

import argparse
import dataclasses

import pytest
from flyte_connectors.cli import serve
from flyte_connectors.service import workers
from flyte_connectors.service.settings import FIELDS, ServiceSettings, read_settings
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

WORDS = st.from_regex(r"[-a-z*/.:][-a-z0-9*/.: \"'=]{0,8}[a-z]", fullmatch=True)
LISTS = st.lists(WORDS, max_size=3).map(tuple)
ENDPOINTS = st.lists(st.sampled_from(["a.org", "*.b.org:1", "https://[::1]/v1"])).map(tuple)
TIMES = st.floats(0, 1e6)
SETTINGS = st.builds(
    ServiceSettings,
    host=WORDS,
    port=st.integers(0, 65535),
    metrics_port=st.integers(0, 65535),
    module=LISTS,
    allow=st.none() | LISTS,
    deny=st.none() | LISTS,
    lenient=st.booleans(),
    workers=st.integers(2, 9),
    auth_token_file=st.none() | WORDS,
    allowed_endpoints=st.none() | ENDPOINTS,
    max_message_bytes=st.integers(1, 2**31 - 1),
    threads=st.integers(1, 99),
    backlog=st.integers(1, 99),
    transient_errors=st.sampled_from(["absorb", "raise"]),
    lost_after=TIMES,
    grace=TIMES,
    log_format=st.sampled_from(["console", "json"]),
    log_level=st.sampled_from(["debug", "info", "warning", "error"]),
) | st.builds(ServiceSettings, tls_cert=WORDS, tls_key=WORDS, tls_client_ca=st.none() | WORDS)


def read(command: list[str]) -> ServiceSettings:
    """The settings of a process with this command line, and nothing in its environment."""
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    given = {name: v for name, v in vars(parser.parse_args(command)).items() if name in FIELDS}
    flags = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    return read_settings(flags, {})[0]


@given(settings=SETTINGS, port=st.integers(1, 65535))
def test_a_worker_has_the_settings_in_force(settings: ServiceSettings, port: int) -> None:
    """All but the ports: also a list that is empty, which allows nothing, and none, which allows all."""
    _, *command = workers.worker_command(settings, port)
    assert command[:3] == ["-m", "flyte_connectors", "serve"]
    expected = dataclasses.replace(settings, port=port, metrics_port=0, workers=1)
    assert dataclasses.asdict(read(command[3:])) == dataclasses.asdict(expected)


def test_a_flag_with_an_environment_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker reads no variable that a flag or the file had overruled; others it inherits."""
    monkeypatch.setenv("FLYTE_CONNECTORS_GRACE", "1")
    monkeypatch.setenv("FLYTE_CONNECTORS_CONFIG", "/service.toml")
    monkeypatch.setenv("FLYTE_SECRET_KEY", "value")
    environment = workers._environment()
    assert not {"FLYTE_CONNECTORS_GRACE", "FLYTE_CONNECTORS_CONFIG"} & environment.keys()
    assert environment["FLYTE_SECRET_KEY"] == "value"


EXPOSITION = """
# TYPE calls_total counter
calls_total{{verb="get"}} {calls}
# TYPE seconds histogram
seconds_bucket{{le="1.0"}} {calls}
seconds_bucket{{le="+Inf"}} {calls}
seconds_count {calls}
seconds_sum {seconds}
# TYPE in_flight gauge
in_flight {in_flight}
"""


class FakeWorker:
    """A worker that answers scrapes with a number of calls; None for no answer."""

    def __init__(self, url: str) -> None:
        self.metrics_url = url
        self.calls: int | None = 0


class Fleet:
    """Two workers and their sums."""

    def __init__(self) -> None:
        self.one, self.two = FakeWorker("http://one"), FakeWorker("http://two")
        self._summed = workers._SummedMetrics([self.one, self.two])  # type: ignore[list-item]
        self._summed._scrape = self._scrape  # type: ignore[method-assign]

    def _scrape(self, url: str) -> list[Metric]:
        (worker,) = (worker for worker in (self.one, self.two) if worker.metrics_url == url)
        if worker.calls is None:
            return []
        numbers = {"calls": worker.calls, "seconds": worker.calls / 2, "in_flight": 1}
        return list(text_string_to_metric_families(EXPOSITION.format(**numbers)))

    def sums(self) -> dict[str, float]:
        """The samples by name and bucket."""
        return {
            sample.name + sample.labels.get("le", ""): sample.value
            for family in self._summed.collect()
            for sample in family.samples
        }


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_numbers_are_added_up(fleet: Fleet) -> None:
    """Sample by sample: counters, buckets and gauges."""
    one, two = fleet.one, fleet.two
    one.calls, two.calls = 3, 4
    assert fleet.sums() == {
        "calls_total": 7,
        "seconds_bucket1.0": 7,
        "seconds_bucket+Inf": 7,
        "seconds_count": 7,
        "seconds_sum": 3.5,
        "in_flight": 2,
    }


def test_a_worker_that_dies_takes_no_count_with_it(fleet: Fleet) -> None:
    """What it had counted stays in the sums, its gauges don't; the next one counts from nothing."""
    one, two = fleet.one, fleet.two
    one.calls, two.calls = 30, 4
    assert fleet.sums()["calls_total"] == 34
    one.calls = None
    away = fleet.sums()
    assert (away["calls_total"], away["in_flight"]) == (34, 1)
    one.metrics_url, one.calls = "http://three", 2
    back = fleet.sums()
    assert (back["calls_total"], back["seconds_sum"], back["in_flight"]) == (36, 18.0, 2)
    assert fleet.sums() == back


STEPS = st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from(["calls", "silent", "dies"])), max_size=30)


@given(steps=STEPS)
def test_what_grows_never_falls(steps: list[tuple[int, str]]) -> None:
    """Whatever workers do between scrapes."""
    fleet, before = Fleet(), 0.0
    for number, (which, what) in enumerate(steps):
        worker = (fleet.one, fleet.two)[which]
        if what == "dies":
            worker.metrics_url, worker.calls = f"http://{number}", 0
        elif what == "silent":
            worker.calls, kept = None, worker.calls
            assert fleet.sums().get("calls_total", 0.0) >= before
            worker.calls = kept
        else:
            worker.calls = (worker.calls or 0) + 1
        now = fleet.sums()["calls_total"]
        assert now >= before
        before = now
