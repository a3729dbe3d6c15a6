"""The curves of BigQuery's jobs, of batch jobs and of trainings, in a real browser.

BigQuery's is a local server, whose answers get the numbers that Google's would have: it knows neither slots nor bytes.
"""

from __future__ import annotations

import itertools
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from processes import LONGEST_WAIT, Served, serving
from screens import SCREENS, picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BED = Path(__file__).parents[3] / "bigquery" / "tests"
QUERY_SECONDS = 12.0
POINTS = "title => charts.get(title)?.plot.data[0].length ?? 0"


class SlowQuery:
    """Makes the server's job look as if it ran for a while, and used slots."""

    def __init__(self) -> None:
        self.began: float | None = None

    def __call__(self, job: dict[str, Any]) -> None:
        self.began = self.began or time.monotonic()
        passed = time.monotonic() - self.began
        share = min(passed / QUERY_SECONDS, 1.0)
        job["statistics"]["totalSlotMs"] = str(int(48_000 * share**1.5))
        job["statistics"]["totalBytesProcessed"] = str(int(9e9 * share))
        job["statistics"]["query"] |= {
            "totalSlotMs": str(int(48_000 * share**1.5)),
            "totalBytesProcessed": str(int(9e9 * share)),
            "totalBytesBilled": str(int(9e9 * share)),
            "queryPlan": [{"id": "0", "name": "S00: Input", "parallelInputs": "100", "completedParallelInputs": str(int(100 * share))}],
        }  # fmt: skip
        if share < 1:
            job["status"] = {"state": "RUNNING"}


@pytest.fixture(scope="module")
def bigquery() -> Iterator[str]:
    """A server with Fisher's irises, which answers slowly."""
    vendor = pytest.importorskip("google.cloud.bigquery", reason="needs the plugin for BigQuery")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BED))
        from bed import emulator, iris, proxy
        from google.auth.credentials import AnonymousCredentials

        with emulator.running() as server, proxy.running(server.url) as forwarding:
            with vendor.Client(
                project=emulator.PROJECT,
                credentials=AnonymousCredentials(),
                client_options={"api_endpoint": server.url},
            ) as client:
                client.create_dataset("garden")
                iris.plant(client, "garden")
            with forwarding.fronting() as front:
                fault = proxy.Fault(proxy.rewrite(SlowQuery()), method="GET", path="/jobs/")
                front.faults.append(fault)
                yield front.url
    for name in [name for name in sys.modules if name.split(".")[0] == "bed"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def all_served(environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Served]:
    """A service with the plugins for BigQuery, batch jobs and trainings."""
    testing = pytest.importorskip("flyte_connectors_training_service.testing")
    pytest.importorskip("flyte_connectors_model_training")
    folder = request.getfixturevalue("tmp_path_factory").mktemp("training")
    with testing.ServiceProcess(folder) as training:
        names = ("batch-job", "bigquery", "console", "model-training")
        of_all = {
            **environment,
            "FLYTE_CONNECTORS_ALLOW": ",".join(f"flyte-connectors-{name}" for name in names),
            "BIGQUERY_EMULATOR_HOST": request.getfixturevalue("bigquery"),
            "TRAINING": training.endpoint,
            "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS": urlsplit(training.endpoint).netloc,
        }
        with serving(of_all) as one:
            yield one


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of tasks."""
    return Path(shutil.copy(Path(__file__).with_name("vendors.py"), tmp_path_factory.mktemp("v")))


@pytest.fixture(scope="module")
def learning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a function."""
    return Path(shutil.copy(Path(__file__).with_name("learning.py"), tmp_path_factory.mktemp("f")))


def look(browser: Any, url: str, name: str, charts: list[str], points: int) -> None:
    """Each chart grows while it is looked at, and shows a value at the first of its points."""
    for screen, scheme in itertools.product(SCREENS, ("light", "dark")):
        context = browser.new_context(viewport=SCREENS[screen], color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(3000 * LONGEST_WAIT)  # a training loads large libraries
        page.goto(url)
        for title in charts:
            page.wait_for_function(f"() => ({POINTS})('{title}') >= {points}")
            assert page.evaluate(f"charts.get('{title}').plot.axes.every((axis) => axis.label)")
            figure = page.locator("figure", has=page.locator(f"text=/^{title.replace('_', ' ')}$/i"))
            assert title in (figure.get_attribute("aria-label") or "")
            figure.focus()
            page.keyboard.press("Home")
            value = figure.locator(".u-legend .u-series:nth-child(2) .u-value")
            assert re.search(r"\d", value.text_content())
            page.keyboard.press("Escape")
        page.locator("#charts").scroll_into_view_if_needed()
        picture(page, f"curves-{name}-{screen}-{scheme}", whole=True)
        context.close()


def test_the_curves_of_a_query(browser: Any, all_served: Served, vendors: Path) -> None:
    """Slot time, and bytes: BigQuery tells the present value, the page has seen the earlier ones."""
    url = all_served.console + all_served.run(vendors, "query")
    look(browser, url, "bigquery", ["slot_ms", "bytes_processed", "bytes_billed"], 3)


def test_the_curves_of_a_batch_job(browser: Any, all_served: Served, tasks: Path) -> None:
    """CPU and memory."""
    url = all_served.console + all_served.run(tasks, "forecast", "--region", "eu-west")
    look(browser, url, "batch", ["cpu_seconds", "peak_memory_bytes"], 3)


def test_what_a_function_reports(browser: Any, page: Any, served: Served, learning: Path) -> None:
    """Its progress as a bar, its texts as message and in the log, its metrics as curves."""
    url = served.console + served.run(learning, "learn", "--epochs", "400")
    page.goto(url)
    page.wait_for_function("() => document.getElementById('progress').value > 0.02")
    assert page.is_visible("#progress")
    page.wait_for_selector("#message >> text=/epoch \\d+/")
    page.wait_for_selector(".line >> text=at epoch 1, the loss is 1.000")
    look(browser, url, "function", ["loss"], 10)
    names = page.evaluate("charts.get('loss').chart.curves.map((curve) => curve.name)")
    assert names == ["loss", "validation_loss"]


def test_the_curves_of_a_training(browser: Any, all_served: Served, vendors: Path, large: Path) -> None:
    """Loss and accuracy, all of them since its begin; those of validation beside those of training."""
    inputs = ("--epochs", "300", "--dataset_uri", large.as_uri())
    url = all_served.console + all_served.run(vendors, "train", *inputs)
    look(browser, url, "training", ["loss", "accuracy"], 20)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set whose epochs take some time."""
    numpy = pytest.importorskip("numpy")
    generator = numpy.random.default_rng(0)
    features = generator.normal(size=(20_000, 20)).round(3)
    labels = (features @ generator.normal(size=(20, 4))).argmax(axis=1)
    path = tmp_path_factory.mktemp("large") / "large.csv"
    header = ",".join([*(f"x{number}" for number in range(20)), "label"])
    rows = numpy.column_stack((features, labels))
    numpy.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%g")
    return path
