"""The dashboard in a real browser."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flyte_connectors_training_service.testing import ServiceProcess

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs the browser chromium"),
    pytest.mark.timeout(120),  # beside a browser, scikit-learn may take long to load
]


@pytest.fixture(scope="module", autouse=True)
def warm(service: ServiceProcess, digits: Path) -> None:
    """The service has loaded scikit-learn, so that the page is all that a test waits for."""
    service.submit(job_id="warm", dataset_uri=digits.as_uri(), epochs=1)
    service.ended("warm")


@pytest.fixture
def page() -> Iterator[Any]:
    """A page; whatever its console says fails the test."""
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()
    assert complaints == []


def test_the_page_follows_a_training_to_its_end(
    service: ServiceProcess, page: Any, digits: Path
) -> None:
    """Curves, progress, log and the model's link appear without a reload."""
    job = service.submit(job_id="watched", dataset_uri=digits.as_uri(), epochs=60)
    page.goto(job["dashboard"])
    page.wait_for_selector("#status.finished")
    page.wait_for_selector("#log >> text=trained 60 epochs")
    assert page.text_content("#epoch") == "60 of 60"
    points = page.get_attribute("#loss polyline", "points")
    assert len(points.split()) == 60
    accuracy = service.job("watched")["metrics"]["validation_accuracy"]
    assert f"validation {accuracy:.4f}" in page.get_attribute("#accuracy svg", "aria-label")
    with page.expect_download() as download:
        page.click("#results a")
    assert download.value.suggested_filename == "watched.skops"


def test_the_page_moves_while_the_job_trains(
    service: ServiceProcess, page: Any, large: Path
) -> None:
    """The epoch shown grows, and a cancelled job is shown as one."""
    job = service.submit(job_id="moving", dataset_uri=large.as_uri(), epochs=10_000)
    page.goto(job["dashboard"])
    page.wait_for_selector("#loss svg")
    shown = page.text_content("#epoch")
    page.wait_for_function(
        "shown => document.querySelector('#epoch').textContent != shown", arg=shown
    )
    assert service.client.delete("/jobs/moving").json()["status"] == "cancelled"
    page.wait_for_selector("#status.cancelled")


def test_a_failure_and_hostile_text_are_shown_as_text(
    service: ServiceProcess, page: Any, tmp_path: Path
) -> None:
    """Markup in a label does not become part of the page, nor where the error quotes it."""
    path = tmp_path / "data.csv"
    path.write_text("x,y\n1,2\n")
    label = "<img src=x onerror=alert(1)>"
    job = service.submit(dataset_uri=path.as_uri(), epochs=1, label=label)
    page.goto(job["dashboard"])
    page.wait_for_selector("#message.failed")
    assert label in page.text_content("#message")
    assert page.text_content("#label") == label
    page.wait_for_selector("#log >> text=onerror")
    assert page.locator("#message img, #label img, #log img").count() == 0
