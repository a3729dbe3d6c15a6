"""How much of everything there is at most."""

from __future__ import annotations

import contextlib

import pytest
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from werkzeug.test import Client

from flyte_connectors_console import asked
from flyte_connectors_console.access import Access
from flyte_connectors_console.application import Console
from flyte_connectors_console.asked import AskedJobs
from flyte_connectors_console.job_address import JobAddress
from flyte_connectors_console.laptop_place import LaptopPlace

HERE = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Of a console that knows no run."""
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    return Client(Console(LaptopPlace(), Access(None)))


def path_of(number: int) -> str:
    """That of the page of some job, which nobody here knows."""
    from flyte_connectors._dispatch.envelope import Envelope, seal

    return JobAddress("elsewhere", seal(Envelope(b"%d" % number), "elsewhere")).path


def test_so_many_pages_follow_a_job_at_once(browser: Client) -> None:
    """256; another one is admitted when one of them is closed, or has asked for the head only."""
    url = f"{path_of(0)}/events"
    with contextlib.ExitStack() as at_the_end:

        def status() -> int:
            reply = browser.get(url, environ_base=HERE, buffered=False)
            at_the_end.callback(reply.close)
            following.append(reply)
            return reply.status_code

        following = []
        for _ in range(300):
            browser.head(url, environ_base=HERE, buffered=False).close()
        assert [status() for _ in range(256)] == [200] * 256
        assert [status() for _ in range(2)] == [503] * 2
        assert "256 pages are open" in following[-1].text
        following[7].close()
        assert [status() for _ in range(2)] == [200, 503]


def test_so_many_jobs_are_read_at_once(browser: Client) -> None:
    """200; their pages are shown, that of another one says why it is not."""
    pages = [browser.get(path_of(number), environ_base=HERE) for number in range(201)]
    assert [page.status_code for page in pages] == [200] * 200 + [503]
    assert "the pages of 200 jobs are open" in pages[-1].text
    assert browser.get(path_of(7), environ_base=HERE).status_code == 200


async def test_so_many_jobs_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last ones; the others are not counted either."""
    monkeypatch.setattr(asked, "MOST_JOBS", 50)
    jobs = AskedJobs()

    async def running(request: pb.GetTaskRequest, timeout: float | None = None) -> pb.GetTaskResponse:
        return pb.GetTaskResponse(resource=pb.Resource(phase=TaskExecution.RUNNING))

    get = jobs.wrap("GetTask", running)
    for number in range(120):
        category = pb.TaskCategory(name="batch_job")
        await get(pb.GetTaskRequest(resource_meta=b"%d" % number, task_category=category))
    assert [job.address.meta for job in jobs.all()] == [b"%d" % number for number in range(119, 69, -1)]
    assert jobs.counts()[-1][1] == {"RUNNING": 50}
