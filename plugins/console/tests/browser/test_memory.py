"""What a page costs that is left open for an hour.

The hour is compressed: the service reads the job, and tells the page, that many times as often. With the variable
OPEN_MINUTES, it is that many minutes of real time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from processes import Served, serving

psutil = pytest.importorskip("psutil", reason="needs the package psutil")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

MINUTES = float(os.environ.get("OPEN_MINUTES", "0"))
TIMES = 1 if MINUTES else 30
SECONDS = 60 * MINUTES if MINUTES else 3600 / TIMES
LINES = int(SECONDS * TIMES)  # one a second
LARGEST = 150  # MiB
FASTER = [sys.executable, str(Path(__file__).parent.with_name("faster.py")), str(TIMES)]
AN_HOUR_OF_CURVES = """async () => {
  const titles = [...charts.keys()];
  for (let number = 1; number <= 1800; number += 1) {
    const points = Array.from({ length: Math.min(number, 1000) }, (_, at) => [1.7e9 + 2 * at, Math.sin(at)]);
    showCurves(titles.map((title) => ({ title, unit: "s", curves: [{ name: title, points }] })));
    await new Promise(requestAnimationFrame);
  }
}"""
"""A reading every two seconds, of all metrics."""


def memory(browser: Any, page: Any) -> tuple[float, float]:
    """MiB of the largest page's process that it shares with no other, and of its heap."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pids = [one["id"] for one in processes if one["type"] == "renderer"]
    used = max(psutil.Process(pid).memory_full_info().uss for pid in pids)
    return used / 2**20, heap / 2**20


def watched(browser: Any, page: Any) -> list[float]:
    """The memory of a page over the hour."""
    began, curve = time.monotonic(), []
    while (passed := time.monotonic() - began) < SECONDS:
        page.wait_for_timeout(1000 * min(SECONDS / 12, SECONDS - passed))
        used, heap = memory(browser, page)
        curve.append(used)
        minute = (time.monotonic() - began) * TIMES / 60
        print(f"  minute {minute:4.0f}: {used:5.1f} MiB, of them {heap:4.1f} MiB of heap", flush=True)
    return curve


def test_a_job_open_for_an_hour(browser: Any, page: Any, environment: dict[str, str], tasks: Path) -> None:
    """It writes a line a second, and its curves grow; the page has all of it, and stays small."""
    with serving(environment, program=FASTER) as served:
        path = served.run(tasks, "steady", "--lines", str(LINES), "--pause", str(1 / TIMES))
        page.goto(served.console + path)
        page.wait_for_selector(".line >> text=line 5 of an hour")
        page.wait_for_selector("#charts canvas")
        print()
        curve = watched(browser, page)
        assert max(curve) < LARGEST
        shown = page.locator(".line").count()
        assert shown > min(LINES / 2, 1000)  # the machine may be slower than that
        assert page.evaluate("Math.max(...[...charts.values()].map((chart) => chart.plot.data[0].length))") > 20
        page.evaluate(AN_HOUR_OF_CURVES)  # those of the job have come at its own pace
        used, heap = memory(browser, page)
        print(f"  with curves of an hour: {used:.1f} MiB, of them {heap:.1f} MiB of heap")
        assert used < LARGEST


def test_a_list_of_jobs_open_for_an_hour(browser: Any, page: Any, served: Served, tasks: Path) -> None:
    """It is read again every three seconds. Most of what it then needs are the answers, which Playwright keeps there."""
    for number in range(3):
        served.run(tasks, "count", "--word", f"sheep-{number}")
    page.clock.install()
    page.goto(f"{served.console}/jobs")
    reads: list[str] = []
    page.on("response", lambda response: reads.append(response.url))
    before, _ = memory(browser, page)
    for _ in range(1200):
        wanted = len(reads) + 1
        page.clock.run_for(3000)
        while len(reads) < wanted:
            page.wait_for_timeout(1)
    after, heap = memory(browser, page)
    print(f"  {before:.1f} MiB, after an hour {after:.1f} MiB, of them {heap:.1f} MiB of heap")
    assert after < LARGEST
