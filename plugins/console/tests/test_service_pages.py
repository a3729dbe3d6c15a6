"""The pages of a service, as a browser without JavaScript reads them."""

from __future__ import annotations

import asyncio
import html
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flyte_connectors.client.remote import RemoteService
from flyteidl2.connector import connector_pb2 as pb
from processes import LONGEST_WAIT, PROGRAM, Served, events, eventually, serving

from flyte_connectors_console.checkup import FRESH_SECONDS
from flyte_connectors_console.job_address import JobAddress


@pytest.fixture(scope="module")
def odd(environment: dict[str, str]) -> Iterator[Served]:
    """A service with connectors that answer late or with an error."""
    module = str(Path(__file__).with_name("odd.py"))
    with serving(environment, "--module", module) as one:
        yield one


def text(url: str, **options: object) -> str:
    reply = httpx.get(url, follow_redirects=True, **options)  # type: ignore[arg-type]
    assert reply.status_code == 200, reply.text
    return html.unescape(reply.text)


def test_the_first_page_shows_plugins_connectors_and_settings(served: Served) -> None:
    """Each with what matters about it."""
    page = text(f"{served.http}/console/")
    for shown in (
        "serving",
        "flyte-connectors-batch-job",
        "Batch Job Connector",
        "--lost-after",
        "The state of every job can be read",
    ):
        assert shown in page


def test_what_doctor_finds_is_shown(environment: dict[str, str]) -> None:
    """With the settings of the service, those of its flags included; and once more when asked to."""
    with serving(environment, "--grace=400") as one:
        url = f"{one.console}/checks"
        assert "checking" in text(url)
        page = eventually(lambda: "checking" not in (page := text(url)) and page)
        assert "batch_job (flyte-connectors-batch-job" in page
        assert "--grace" in page
        assert "Fix: " in page
        time.sleep(FRESH_SECONDS)
        again = httpx.post(url, follow_redirects=True)
        assert "checking" in again.text
        assert httpx.post(url, headers={"Origin": "http://attacker.example"}).status_code == 403
    alone = {**environment, "FLYTE_CONNECTORS_DENY": "flyte-connectors-doctor"}
    with serving(alone) as one:
        assert httpx.get(f"{one.console}/checks").status_code == 404
        assert "Checks" not in text(f"{one.console}/")


def test_the_console_is_off_unless_asked_for(environment: dict[str, str]) -> None:
    """Not even its settings answer anything."""
    command = [*PROGRAM, "serve", "--port=0", "--metrics-port=0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().rpartition(" on ")[2].removesuffix("/metrics")
        try:
            assert httpx.get(f"{url}/console/").status_code == 404
        finally:
            process.terminate()


def test_a_job_is_shown_with_all_that_is_known(served: Served, tasks: Path) -> None:
    """Run, phase, inputs, outputs, log and where it was written; then nothing more comes."""
    path = served.run(tasks, "count", "--word", "sheep")
    found: dict[str, list[object]] = {"state": [], "log": [], "curves": [], "end": []}
    for name, data in events(served.console + path):
        found[name].append(data)
    assert found["end"] == [{}]
    state = found["state"][-1]
    assert (state["phase"], state["ended"], state["error"]) == ("SUCCEEDED", True, "")
    assert state["outputs"] == [{"name": "number", "value": "42"}]
    lines = [(source, line) for batch in found["log"] for _, source, line in batch["lines"]]
    assert (0, "counting sheep") in lines
    assert (1, "odd <b>markup</b>") in lines
    assert {chart["title"] for chart in found["curves"][-1]} >= {"cpu_seconds", "peak_memory_bytes"}
    page = text(served.console + path)
    for shown in ("count", "succeeded", "sheep", "local, local", "Attempt"):
        assert shown in page


def test_the_command_that_prints_the_log_is_shown(served: Served, tasks: Path) -> None:
    """For a job of a service, whoever started it; it works as it is."""
    path = served.run(tasks, "count", "--word", "geese")
    found = re.search(r'id="command">([^<]+) --follow<', text(served.console + path))
    assert found
    command = shlex.split(found[1])
    assert command[:4] == ["flyte-connectors", "logs", "--endpoint", served.grpc]
    elsewhere = {**served.environment, "FLYTE_CONNECTORS_STATE_DIR": str(tasks.parent / "none")}
    for follow in ("--follow", "-t"):
        shown = subprocess.run(
            [*PROGRAM, *command[1:], follow],
            env=elsewhere,
            capture_output=True,
            text=True,
            timeout=LONGEST_WAIT,
            check=False,
        )
        assert "counting geese\n" in shown.stdout, shown.stderr


@pytest.mark.parametrize(
    ("task_type", "said"),
    [("late", "at last"), ("away", "the vendor is away"), ("refusing", "not for this account")],
)
async def test_a_page_does_not_wait_for_its_connector(odd: Served, task_type: str, said: str) -> None:
    """It comes at once, also if the connector has not answered, or has answered with an error."""
    url = odd.console + JobAddress(task_type, await _created(odd, task_type)).path
    assert task_type in text(url)
    states = (data for name, data in events(url) if name == "state")
    assert next(state for state in states if said in str(state))
    assert said in text(url)


async def _created(service: Served, task_type: str, polls: int = 0) -> bytes:
    """The meta of a new job that Flyte has asked for so often."""
    request = pb.CreateTaskRequest()
    request.template.type = task_type
    request.task_execution_metadata.task_execution_id.node_execution_id.node_id = "a0"
    async with RemoteService(service.grpc) as client:
        meta = (await client.create(request)).resource_meta
        poll = pb.GetTaskRequest(resource_meta=meta, task_category=pb.TaskCategory(name=task_type))
        for _ in range(polls):
            await client.get(poll, timeout=2.0)
    return meta


async def test_a_job_whose_state_can_not_be_read_is_shown(odd: Served) -> None:
    """Why, since when, and when it will be asked for again; Flyte is told RUNNING meanwhile."""
    address = JobAddress("away", await _created(odd, "away", polls=2))
    overview = text(f"{odd.console}/")
    assert "The state of 1 job can't be read now." in overview
    assert "the vendor is away" in overview.partition("Connectors</h2>")[0]
    assert address.path in overview
    jobs = text(f"{odd.console}/jobs?q=away")
    assert re.search(r"the vendor is away, for \S+; next try in about", jobs)
    assert "the vendor is away" in text(odd.console + address.path)


async def test_an_isolated_connector_is_shown(odd: Served) -> None:
    """One that blocks the event loop of all."""
    await _created(odd, "blocking", polls=3)
    assert "isolated: it blocked the shared one" in text(f"{odd.console}/")


async def test_few_logs_are_read_as_a_whole_at_once(odd: Served) -> None:
    """Others are told to try again."""
    url = odd.console + JobAddress("endless", await _created(odd, "endless")).path
    async with httpx.AsyncClient(timeout=LONGEST_WAIT) as browser:
        searches = [asyncio.ensure_future(browser.get(f"{url}/log?search=x")) for _ in range(9)]
        done, others = await asyncio.wait(searches, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = (task.result() for task in done)
        assert refused.status_code == 503
        assert "too many logs are being read" in refused.text
        for task in others:
            task.cancel()


def test_a_page_of_jobs_is_filtered_and_sorted(served: Served, tasks: Path) -> None:
    """By text and phase; the address holds it."""
    served.run(tasks, "failing")
    eventually(lambda: "failing" in text(f"{served.console}/jobs?phase=FAILED"))
    assert "failing" not in text(f"{served.console}/jobs?q=sleeper").partition("<tbody>")[2]
    page = text(f"{served.console}/jobs?sort=-task")
    assert 'aria-sort="descending"' in page
    assert text(f"{served.console}/jobs?sort=nonsense")


def test_any_replica_shows_any_job_after_any_restart(served: Served, tasks: Path, environment: dict[str, str]) -> None:
    """The address is all that it needs."""
    path = served.run(tasks, "count", "--word", "cows")
    with serving(environment) as other:
        assert path not in other.pages()
        lines = [line for name, data in events(other.console + path) if name == "log" for line in data["lines"]]
        assert "Not known here" in text(other.console + path)
    assert next(line[2] for line in lines) == "counting cows"


def test_a_lost_stream_goes_on_where_it_was(served: Served, tasks: Path) -> None:
    """No line twice, none missing."""
    path = served.run(tasks, "paced")
    seen: list[str] = []
    following = None
    for wanted in (3, 8, 14):
        for name, data in events(served.console + path, **({} if following is None else {"next": following})):
            if name == "log":
                seen += [line[2] for line in data["lines"]]
                following = data["first"] + len(data["lines"])
            if len(seen) >= wanted:
                break
    numbers = [int(line.split()[1]) for line in seen]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_log_is_read_at_the_same_pace_however_it_grows(environment: dict[str, str], tasks: Path) -> None:
    """Three times a second, for all pages that show it."""
    with serving(environment) as served:
        url = served.console + served.run(tasks, "paced")
        pages = [events(url) for _ in range(3)]
        for page in pages:
            assert any(name == "log" for name, _ in page)
        (run,) = served.started
        run.send_signal(signal.SIGSTOP)  # it reads the log, too
        began, before = time.monotonic(), _log_reads(served)
        time.sleep(2)
        reads, seconds = _log_reads(served) - before, time.monotonic() - began
        run.send_signal(signal.SIGCONT)
        for page in pages:
            page.close()  # type: ignore[attr-defined]  # a generator
    assert 1 <= reads <= 1 + seconds / 0.35


def _log_reads(served: Served) -> float:
    """How often a log was read so far."""
    found = re.search(r'^\w+_seconds_count\{.*verb="get_logs".*\} (\S+)$', text(f"{served.http}/metrics"), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_the_end_of_a_long_log_comes_first_and_the_rest_on_demand(served: Served, tasks: Path) -> None:
    """100,001 lines: the last 500, any others by number, by a search, or all as a file."""
    path = served.run(tasks, "long")
    url = served.console + path
    batches = [data for name, data in events(url) if name == "log"]
    assert batches[-1]["lines"][-1][2] == "the end"
    assert max(len(batch["lines"]) for batch in batches) <= 500
    page = httpx.get(f"{url}/log", params={"from": 41_999, "lines": 3}).json()
    assert [line[2] for line in page["lines"]] == [f"line {n:06} of a long log" for n in (42_000, 42_001, 42_002)]
    found = httpx.get(f"{url}/log", params={"search": "LINE 07777"}, timeout=LONGEST_WAIT).json()
    assert [match[0] for match in found["matches"]] == list(range(77_769, 77_779))
    whole = httpx.get(f"{url}/log.txt", timeout=LONGEST_WAIT)
    assert whole.headers["content-disposition"].startswith("attachment")
    assert whole.text.count("\n") == 100_001


def test_a_service_is_read_only(served: Served, tasks: Path) -> None:
    """Nothing on its pages cancels a job."""
    path = served.run(tasks, "sleeper")
    assert "Cancel" not in text(served.console + path)
    assert httpx.post(f"{served.console}{path}/cancel").status_code == 403


def test_a_damaged_address_is_explained(served: Served) -> None:
    """It is a page that says so, never a traceback."""
    for sealed in ("AGZjMg", "%00", "a", "AGZjMnaT9MaDpG1l"):
        reply = httpx.get(f"{served.console}/jobs/batch_job/{sealed}", headers={"accept": "text/html"})
        assert reply.status_code in (404, 503)
        assert "can't be shown" in html.unescape(reply.text)


def test_a_page_starts_no_create_anew(served: Served) -> None:
    """A job that is being created is left to Flyte's own polls."""
    from flyte_connectors._dispatch.envelope import Envelope, seal

    request = pb.CreateTaskRequest()
    request.template.type = "batch_job"
    request.template.custom["script"] = "true"
    sealed = seal(Envelope(b"", key="k", request=request.SerializeToString()), "batch_job")
    found = events(served.console + JobAddress("batch_job", sealed).path)
    state = next(data for name, data in found if name == "state")
    assert state["phase"] == "INITIALIZING"


def test_a_page_enforces_no_time_limit(served: Served, tasks: Path) -> None:
    """Or the address of a page, with another limit in it, would cancel the job."""
    from flyte_connectors._dispatch.envelope import seal, unseal

    path = served.run(tasks, "sleeper")
    envelope = unseal(JobAddress.parse("batch_job", path.split("/")[-1]).meta, "batch_job")
    sealed = seal(envelope._replace(limit=(1.0, 1.0)), "batch_job")
    for shown in (JobAddress("batch_job", sealed).path, path):
        found = events(served.console + shown)
        assert next(data for name, data in found if name == "state")["phase"] == "RUNNING"


async def test_links_of_tasks_lead_to_their_pages(environment: dict[str, str], tasks: Path) -> None:
    """With --console-url; Flyte shows them from the start."""
    with serving(environment, "--console-url", "https://c.example.com/console/") as served:
        command = [*PROGRAM, "run", "--endpoint", served.grpc, str(tasks), "count", "--word", "a"]
        options: dict[str, Any] = {"env": environment, "capture_output": True, "text": True, "check": True}
        done = await asyncio.to_thread(subprocess.run, command, **options)
        (path,) = served.pages()
        address = JobAddress.parse("batch_job", path.rpartition("/")[2])
        poll = pb.GetTaskRequest(resource_meta=address.meta, task_category=address.category)
        async with RemoteService(served.grpc) as client:
            link = (await client.get(poll)).resource.log_links[-1]
    assert f"Connector console: https://c.example.com/console{path}" in done.stderr
    assert (link.ready, link.ShowWhilePending) == (True, True)


def test_several_workers_have_no_console(environment: dict[str, str]) -> None:
    """The error says why."""
    command = [*PROGRAM, "serve", "--console", "--workers=2", "--port=0", "--metrics-port=0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LONGEST_WAIT, check=False)
    assert done.returncode == 1
    assert "--console needs --workers 1" in done.stderr
