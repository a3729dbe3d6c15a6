"""What a run shows while it goes on."""

from __future__ import annotations

import asyncio
import io
import math
from collections.abc import Callable
from typing import Any

import pytest
from flyte_connectors.cli.progress import Progress
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.logs.dataplane.payload_pb2 import LogLine


class Terminal(io.StringIO):
    """A terminal that remembers everything."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Terminal, Progress]]:
    """Make a terminal, and what shows a run on it."""

    def make() -> tuple[Terminal, Progress]:
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "60")
        return terminal, Progress(endpoint="", module="", quiet=False)

    return make


Show = Callable[[], tuple[Terminal, Progress]]


def _running(message: str = "", **custom_info: Any) -> pb.Resource:
    resource = pb.Resource(phase=TaskExecution.RUNNING, message=message)
    resource.custom_info.update(custom_info)
    return resource


@pytest.mark.parametrize(
    ("progress", "bar"),
    [
        (0, "[------------------------] 0%"),
        (0.5, "[############------------] 50%"),
        (1, "[########################] 100%"),
        (7, "[########################] 100%"),
        (-1, "[------------------------] 0%"),
        (math.inf, "[########################] 100%"),
        (-math.inf, "[------------------------] 0%"),
        (math.nan, ""),
        ("half", ""),
        (True, ""),
        (None, ""),
        ([0.5], ""),
        ({"done": 1}, ""),
    ],
)
async def test_any_progress_can_be_shown(show: Show, progress: Any, bar: str) -> None:
    """What is not a fraction is left out: a connector's mistake does not fail the run."""
    terminal, shown = show()
    with shown:
        shown.polled(_running("epoch 3\nof 6", progress=progress))
        line = terminal.getvalue().rpartition("\x1b[K")[2]
    assert line == " ".join(filter(None, ("RUNNING 0 s", bar, "epoch 3 of 6")))[:59]


async def test_time_goes_on_between_two_polls(show: Show) -> None:
    """So that nobody takes a long job for a hang."""
    terminal, shown = show()
    with shown:
        shown.polled(_running())
        await asyncio.sleep(1.7)
    assert "RUNNING 1 s" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


async def test_several_jobs_are_counted_by_phase(show: Show) -> None:
    """At the bottom of the terminal; each state is its own job's."""
    terminal, shown = show()
    with shown:
        first, second = (shown.of_job(name) for name in ("a0", "a1"))
        first.polled(_running())
        second.polled(pb.Resource(phase=TaskExecution.QUEUED))
        first.polled(_running())
        line = terminal.getvalue().rpartition("\x1b[K")[2]
    assert line == "1 RUNNING, 1 QUEUED 0 s"


async def test_lines_of_several_jobs_say_whose_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each phase once, in a log file, too."""
    output = io.StringIO()
    monkeypatch.setattr("sys.stderr", output)
    shown = Progress(endpoint="", module="", quiet=False)
    first, second = (shown.of_job(name) for name in ("a0", "a1"))
    for _ in range(2):
        first.polled(_running())
        second.polled(pb.Resource(phase=TaskExecution.QUEUED, message="waiting"))
    second.logged(LogLine(message="hello"))
    assert output.getvalue().splitlines() == ["a0 RUNNING", "a1 QUEUED waiting", "a1 hello"]
