"""`flyte-connectors console` and `run --console`."""

from __future__ import annotations

import base64
import contextlib
import html
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
from processes import LONGEST_WAIT, PROGRAM, Served, eventually, laptop

from flyte_connectors_console.job_address import JobAddress


@contextlib.contextmanager
def signed_in(url: str) -> Iterator[httpx.Client]:
    """A browser that has opened the printed address."""
    with httpx.Client(follow_redirects=True, timeout=LONGEST_WAIT) as browser:
        assert browser.get(url).status_code == 200
        yield browser


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [*PROGRAM, "run", *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def test_a_run_of_this_machine_is_shown_and_cancelled(environment: dict[str, str], tasks: Path) -> None:
    """With the command for its log; and nobody without the token gets in."""
    with laptop(environment) as url, start(environment, str(tasks), "sleeper") as run:
        assert httpx.get(url.partition("?")[0]).status_code == 401
        with signed_in(url) as browser:
            root = url.partition("/console")[0]
            found = eventually(
                lambda: re.search(
                    r'href="(/console/jobs/batch_job/[^"]+)">sleeper',
                    browser.get(f"{root}/console/jobs").text,
                )
            )
            page = browser.get(root + found[1]).text
            assert re.search(r"flyte-connectors logs r\w+ --follow", page)
            assert "flyte-connectors doctor" in browser.get(f"{root}/console/checks").text
            reply = browser.post(f"{root}{found[1]}/cancel", headers={"Origin": root})
            assert reply.status_code == 200
            assert "task 'sleeper' aborted" in run.communicate(timeout=LONGEST_WAIT)[1]


def test_inputs_and_outputs_of_a_run_are_shown(environment: dict[str, str], tasks: Path) -> None:
    """Without the secrets of this machine, should one be part of an input."""
    environment = {**environment, "FLYTE_SECRET_FARM": "canary-of-the-farm"}
    word = "sheep of canary-of-the-farm"
    with start(environment, str(tasks), "count", "--word", word) as run:
        run.communicate(timeout=LONGEST_WAIT)
    with laptop(environment) as url, signed_in(url) as browser:
        root = url.partition("/console")[0]
        found = re.search(
            r'href="(/console/jobs/batch_job/[^"]+)">count',
            browser.get(f"{root}/console/jobs").text,
        )
        assert found
        page = html.unescape(browser.get(root + found[1]).text)
        assert "sheep of ***" in page
        assert "canary-of-the-farm" not in page
        with browser.stream("GET", f"{root}{found[1]}/events") as reply:
            assert '"outputs": [{"name": "number", "value": "42"}]' in "".join(reply.iter_text())


def test_runs_on_a_service_are_shown_too(environment: dict[str, str], served: Served, tasks: Path) -> None:
    """Their jobs are asked for where they are."""
    with start(environment, "--endpoint", served.grpc, str(tasks), "count", "--word", "hens") as run:
        run.communicate(timeout=LONGEST_WAIT)
    with laptop(environment, "--endpoint", served.grpc) as url, signed_in(url) as browser:
        root = url.partition("/console")[0]
        assert served.grpc in browser.get(f"{root}/console/").text
        path = re.findall(
            r'href="(/console/jobs/batch_job/[^"]+)">count',
            browser.get(f"{root}/console/jobs").text,
        )[0]
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        with httpx.stream("GET", f"{root}{path}/events", headers={"Cookie": cookie}, timeout=LONGEST_WAIT) as reply:
            assert "counting hens" in "".join(reply.iter_text())


def test_a_job_of_several_workers_is_shown_by_its_address(environment: dict[str, str], tasks: Path) -> None:
    """Whichever of them answers, and whoever started it: they have no console of their own."""
    command = [*PROGRAM, "serve", "--workers=2", "--port=0", "--metrics-port=0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            endpoint = service.stdout.readline().split()[2]
            with start(environment, "--endpoint", endpoint, str(tasks), "count", "--word", "ducks") as run:
                name = run.communicate(timeout=LONGEST_WAIT)[1].split()[1]
            state = Path(environment["FLYTE_CONNECTORS_STATE_DIR"])
            record = json.loads((state / "runs" / name / "a0.json").read_text())
            page = JobAddress("batch_job", base64.b64decode(record["resource_meta"])).path
            other = {**environment, "FLYTE_CONNECTORS_STATE_DIR": str(state / "of-somebody-else")}
            with laptop(other, "--endpoint", endpoint) as url, signed_in(url) as browser:
                root = url.partition("/jobs")[0]
                assert "ducks" not in browser.get(f"{root}/jobs").text
                for _ in range(3):
                    assert "counting ducks" in browser.get(f"{root}{page}/log").text
                shown = html.unescape(browser.get(root + page).text)
                assert f"logs --endpoint {endpoint} batch_job/" in shown
        finally:
            service.terminate()


def test_run_prints_the_link_at_once(environment: dict[str, str], tasks: Path) -> None:
    """The pages are there while the run lives; who reads its output waits for the run alone."""
    with start(environment, "--console", str(tasks), "sleeper") as run:
        assert run.stderr is not None
        url = next(line.split()[-1] for line in run.stderr if line.startswith("console: "))
        with signed_in(url) as browser:
            eventually(lambda: "sleeper" in browser.get(url.partition("?")[0]).text)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=LONGEST_WAIT)


def test_the_browser_is_opened(environment: dict[str, str], tmp_path: Path) -> None:
    """With the address that is printed, which signs in."""
    opened, program = tmp_path / "opened", tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.part; mv {opened}.part {opened}\n')
    program.chmod(0o755)
    command = [*PROGRAM, "console"]
    with subprocess.Popen(
        command, env={**environment, "BROWSER": str(program)}, stderr=subprocess.PIPE, text=True
    ) as console:
        try:
            assert console.stderr is not None
            url = console.stderr.readline().split()[-1]
            assert eventually(lambda: opened.exists() and opened.read_text()) == url
        finally:
            console.terminate()


def test_the_port_is_taken(environment: dict[str, str], served: Served) -> None:
    """One line says so."""
    port = served.http.rpartition(":")[2]
    command = [*PROGRAM, "console", "--no-browser", "--port", port]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_WAIT, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"flyte-connectors: can't listen on 127.0.0.1:{port}:")


def test_a_run_that_was_not_started_here_is_refused(environment: dict[str, str]) -> None:
    """With the command that lists those that were."""
    command = [*PROGRAM, "console", "--no-browser", "--run", "nobodys-run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_WAIT, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("flyte-connectors: no run named 'nobodys-run' in ")
    assert line.endswith("; `flyte-connectors runs` lists them")
