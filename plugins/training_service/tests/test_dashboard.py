"""The dashboard in a real browser."""

from __future__ import annotations

import os
import re
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


def test_the_page_follows_a_training_to_its_end(service: ServiceProcess, page: Any, digits: Path) -> None:
    """Curves, progress, log and the model's link appear without a reload."""
    job = service.submit(job_id="watched", dataset_uri=digits.as_uri(), epochs=60)
    page.goto(job["dashboard"])
    page.wait_for_selector("#status.finished")
    page.wait_for_selector("#log >> text=trained 60 epochs")
    assert page.text_content("#epoch") == "60 of 60"
    assert page.evaluate("charts.get('loss').plot.data[0].length") == 60
    accuracy = service.job("watched")["metrics"]["validation_accuracy"]
    label = page.get_attribute("#accuracy figure", "aria-label")
    shown = float(re.search(r"validation ([\d.]+)", label)[1])
    assert shown == pytest.approx(accuracy, rel=1e-4)
    with page.expect_download() as download:
        page.click("#results a")
    assert download.value.suggested_filename == "watched.skops"


def test_the_page_moves_while_the_job_trains(service: ServiceProcess, page: Any, large: Path) -> None:
    """The epoch shown grows, and a cancelled job is shown as one."""
    job = service.submit(job_id="moving", dataset_uri=large.as_uri(), epochs=10_000)
    page.goto(job["dashboard"])
    page.wait_for_selector("#loss canvas")
    shown = page.text_content("#epoch")
    page.wait_for_function("shown => document.querySelector('#epoch').textContent != shown", arg=shown)
    assert service.client.delete("/jobs/moving").json()["status"] == "cancelled"
    page.wait_for_selector("#status.cancelled")


def test_a_failure_and_hostile_text_are_shown_as_text(service: ServiceProcess, page: Any, tmp_path: Path) -> None:
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


def test_the_best_epoch_is_marked_and_values_are_shown(service: ServiceProcess, page: Any, digits: Path) -> None:
    """Of the lowest validation loss; values by the arrow keys as well as by the mouse."""
    job = service.submit(job_id="marked", dataset_uri=digits.as_uri(), epochs=30)
    page.goto(job["dashboard"])
    page.wait_for_selector("#status.finished")
    epochs = service.client.get("/jobs/marked/metrics").json()["epochs"]
    best = min(epochs, key=lambda epoch: epoch["validation_loss"])["epoch"]
    page.wait_for_function(f"document.querySelector('#best').textContent === '{best}'")
    assert f"best: epoch {best}" in page.get_attribute("#loss figure", "aria-label")
    page.focus("#loss figure")
    page.keyboard.press("Home")
    page.wait_for_selector("#loss .u-legend .u-value >> text=/^1$/")
    page.hover("#loss .u-over", position={"x": 5, "y": 40})
    assert page.locator("#loss .u-axis").count() == 2


def test_two_trainings_are_compared(service: ServiceProcess, page: Any, digits: Path) -> None:
    """Chosen in the list; the address holds it."""
    for seed in (1, 2):
        service.submit(job_id=f"seed-{seed}", dataset_uri=digits.as_uri(), epochs=8, seed=seed)
        service.ended(f"seed-{seed}")
    page.goto(service.endpoint.removesuffix("/jobs") + "/dashboard")
    page.wait_for_selector("#rows a >> text=seed-2")
    page.select_option("#one", "seed-1")
    page.select_option("#two", "seed-2")
    page.click("#compare button")
    page.wait_for_selector("#loss .u-legend >> text=validation of seed-2")
    assert page.url.endswith("/jobs/seed-1/dashboard?with=seed-2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_are_accessible(service: ServiceProcess, page: Any, digits: Path, width: int, scheme: str) -> None:
    """As axe-core checks them; with the variable SCREENSHOTS, pictures go to that folder."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs that package")
    job = service.submit(job_id="shown", dataset_uri=digits.as_uri(), epochs=40)
    service.ended("shown")
    page.set_viewport_size({"width": width, "height": 800 if width > 640 else 844})
    page.emulate_media(color_scheme=scheme)
    pages = {
        "training": job["dashboard"],
        "trainings": service.endpoint.removesuffix("/jobs") + "/dashboard",
    }
    for name, url in pages.items():
        page.goto(url)
        page.wait_for_selector("#rows a" if name == "trainings" else "#log .line")
        violations = axe.Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        if folder := os.environ.get("SCREENSHOTS"):
            screen = "desktop" if width > 640 else "phone"
            page.screenshot(path=f"{folder}/{name}-{screen}-{scheme}.png", full_page=screen == "phone")
