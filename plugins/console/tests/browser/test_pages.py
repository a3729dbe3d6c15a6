"""The pages in a real browser: `nox -s browser`."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from processes import LONGEST_WAIT, PROGRAM, Served, laptop, serving
from screens import SCREENS, picture

from flyte_connectors_console.checkup import FRESH_SECONDS

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs that package")
pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


@pytest.fixture(scope="module")
def busy(served: Served, tasks: Path) -> str:
    """The page of a job that writes a log; besides it, others have ended."""
    served.run(tasks, "count", "--word", "sheep")
    served.run(tasks, "failing")
    return served.run(tasks, "forecast", "--region", "eu-west")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_are_accessible(browser: Any, served: Served, busy: str, screen: str, scheme: str) -> None:
    """Contrast, names, roles and the keyboard's reach, as axe-core checks them; nothing is wider than a phone."""
    context = browser.new_context(viewport=SCREENS[screen], color_scheme=scheme)
    page = context.new_page()
    pages = {"overview": "/", "checks": "/checks", "jobs": "/jobs", "job": busy}
    for name, path in pages.items():
        page.goto(served.console + path)
        if name == "checks":
            page.wait_for_selector("table")
        if name == "job":
            page.wait_for_selector(".line >> text=epoch 12")
            page.wait_for_function("() => charts.get('cpu_seconds')?.chart.curves[0].points.length >= 4")
        violations = axe.Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        picture(page, f"console-{name}-{screen}-{scheme}", whole=name == "job")
    context.close()


def test_a_followed_line_is_soon_on_the_screen(page: Any, served: Served, tasks: Path) -> None:
    """Within half a second of the job's writing it; the job writes the time."""
    page.goto(served.console + served.run(tasks, "paced"))
    page.wait_for_selector(".line >> text=line 3 ")
    delays = page.evaluate(
        """() => new Promise((done) => {
          const delays = [];
          new MutationObserver((changes) => {
            for (const line of changes.flatMap((change) => [...change.addedNodes])) {
              const written = line.textContent.match(/at (\\d+)$/);
              if (written) delays.push(Date.now() - Number(written[1]) / 1e6);
            }
            if (delays.length >= 20) done(delays);
          }).observe(document.getElementById("log"), { childList: true });
        })"""
    )
    print(f"a line is on the screen after {sorted(delays)[len(delays) // 2]:.0f} ms, {max(delays):.0f} ms at most")
    assert sorted(delays)[len(delays) // 2] < 500


def test_the_first_paint_of_a_long_log(page: Any, served: Served, tasks: Path) -> None:
    """Its last line is shown without the others; they come on demand, by a click or by a search."""
    path = served.run(tasks, "long")
    page.goto(served.console + path)
    page.wait_for_selector(".line >> text=the end")
    paints, waits = [], []
    for _ in range(5):  # the best of them is the page's time; the rest is what else the machine does
        page.goto("about:blank")
        began = time.monotonic()
        page.goto(served.console + path)
        page.wait_for_selector(".line >> text=the end")
        waits.append(1000 * (time.monotonic() - began))
        entry = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        paints.append(page.evaluate(entry))
    print(f"first paint after {min(paints):.0f} ms, the last line is there after {min(waits):.0f} ms")
    assert min(paints) < 300
    assert page.locator(".line").count() == 500
    page.click("#earlier")
    page.wait_for_selector(".line:nth-child(1000)")
    page.fill("#wanted", "line 012345")
    page.press("#wanted", "Enter")
    page.click("#matches button")
    page.wait_for_selector(".line.hit >> text=line 012345 of a long log")
    page.click("#follow")
    page.wait_for_selector(".line >> text=the end")


def test_a_page_left_open_stays_small(page: Any, served: Served, tasks: Path) -> None:
    """A hundred thousand lines come in while it follows; it keeps the last ones."""
    page.goto(served.console + served.run(tasks, "flood"))
    page.wait_for_selector(".line >> text=flood 100000")
    assert page.locator(".line").count() <= 2001
    metrics = page.context.new_cdp_session(page)
    metrics.send("HeapProfiler.collectGarbage")
    used = metrics.send("Runtime.getHeapUsage")["usedSize"] / 2**20
    print(f"{used:.0f} MiB of heap")
    assert used < 150


def test_a_page_that_does_not_follow_stays_small(page: Any, served: Served, tasks: Path) -> None:
    """It takes no more lines after some time, and shows the end once it follows again."""
    page.goto(served.console + served.run(tasks, "flood"))
    page.wait_for_selector(".line")
    page.click("#follow")
    page.wait_for_function("() => log.elsewhere")
    assert page.locator(".line").count() <= 2501
    page.click("#follow")
    page.wait_for_selector(".line >> text=flood 100000")
    assert page.locator(".line").count() <= 2001


def test_a_page_survives_a_restart(page: Any, environment: dict[str, str], tasks: Path) -> None:
    """It says that the service is gone, and goes on where it was."""
    with serving(environment) as first:
        path = first.run(tasks, "paced")
        page.goto(first.console + path)
        page.wait_for_selector(".line >> text=line 4 ")
        grpc, http = (int(url.rpartition(":")[2]) for url in (first.grpc, first.http))
        first.process.terminate()
        page.wait_for_selector("#connection:visible")
        first.process.wait(LONGEST_WAIT)
        with serving(environment, port=grpc, http=http):
            page.wait_for_selector("#connection", state="hidden")
            page.wait_for_selector(".line >> text=line 40 ")
            lines = page.locator(".line").all_text_contents()
    numbers = [int(re.findall(r"line (\d+) at", line)[0]) for line in lines]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_job_is_cancelled_from_the_laptop(page: Any, environment: dict[str, str], tasks: Path) -> None:
    """After a question; by the keyboard as well."""
    command = [*PROGRAM, "run", str(tasks), "sleeper"]
    with (
        laptop(environment) as url,
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as run,
        contextlib.ExitStack() as at_the_end,
    ):
        at_the_end.callback(run.kill)  # else a failure would wait for it
        page.goto(url)
        page.wait_for_selector("a >> text=sleeper")
        page.click("a >> text=sleeper")
        page.wait_for_selector("#phase.running")
        page.focus("#cancel")
        page.keyboard.press("Enter")
        page.wait_for_selector("#sure[open]")
        page.keyboard.press("Escape")
        assert page.text_content("#phase") == "running"
        page.click("#cancel")
        picture(page, "console-cancel-desktop-light")
        page.click("#sure .danger")
        page.wait_for_selector("#phase.aborted")
        assert b"aborted" in run.communicate(timeout=LONGEST_WAIT)[1]


def test_a_browser_signs_in(page: Any, environment: dict[str, str], tmp_path: Path) -> None:
    """With a token of the file; then the forms of the pages work."""
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-of-the-console\n")
    with serving(environment, "--console-token-file", str(tokens)) as served:
        page.goto(f"{served.console}/checks")
        picture(page, "console-sign-in-desktop-light")
        page.fill("input[name=token]", "a-token-of-the-console")
        page.keyboard.press("Enter")
        page.wait_for_selector("table")
        time.sleep(FRESH_SECONDS)
        page.click("text=Check again")
        page.wait_for_selector(".phase >> text=checking")
        page.wait_for_selector(".phase >> text=/fault/")


def test_what_a_job_printed_does_nothing(page: Any, served: Served, tasks: Path) -> None:
    """Markup, scripts, templates and terminal codes are characters."""
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.goto(served.console + served.run(tasks, "hostile"))
    page.wait_for_selector(".line >> text=onerror")
    page.wait_for_selector(".line >> text=more characters")
    assert "taken" not in page.title()
    assert page.locator("#log img, #log script").count() == 0
    lines = page.locator(".line > span:last-child").all_text_contents()
    assert {"red", "{{ 7 * 7 }}", "<img src=x onerror=alert(1)>"} <= set(lines)
