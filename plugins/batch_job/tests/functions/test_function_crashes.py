"""Whatever is killed while a function runs: its job is not lost, and does not run twice at a time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import is_running, wait_for
from etl import jobs as etl
from flyte_connectors import run

from flyte_connectors_batch_job.backends.local import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batch_jobs import Jobs


class Marks:
    """What the function has left, and what it waits for."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "marks"
        self.gate = folder / "gate"
        self.inputs = {"marks": str(self.file), "gate": str(self.gate)}

    def read(self) -> list[tuple[int, int]]:
        """Process and attempt of each call."""
        text = self.file.read_text() if self.file.exists() else ""
        return [(int(pid), int(attempt)) for pid, attempt in map(str.split, text.splitlines())]


@pytest.fixture
def marks(tmp_path: Path) -> Iterator[Marks]:
    """An empty file; whatever happens, functions are told to end."""
    found = Marks(tmp_path)
    yield found
    found.gate.touch()


class Beside:
    """A call in a thread."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._result: list[Any] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._result.append(self._call())

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Return when it has ended, or after some time."""
        self._thread.join(seconds)

    def result(self) -> Any:
        """What it has returned."""
        self._thread.join()
        return self._result[0]


def serve(port: int, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A service that listens on a port; 0 for any."""
    command = [sys.executable, "-m", "flyte_connectors", "serve", "--port", str(port)]
    environment = {**os.environ, "FLYTE_CONNECTORS_METRICS_PORT": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    found = wait_for(lambda: re.search(r"listening on ([\w.]+:\d+)", log.read_text()))
    return process, found[1]


def test_a_killed_service_loses_and_doubles_nothing(marks: Marks, tmp_path: Path) -> None:
    """The client goes on with the next one, and the function has been called once."""
    process, address = serve(0, tmp_path / "first")
    try:
        beside = Beside(lambda: run.on(address)(etl.marked, **marks.inputs).outputs())
        wait_for(marks.read)
        process.kill()
        process.wait()
        process, _ = serve(int(address.rpartition(":")[2]), tmp_path / "second")
        marks.gate.touch()
        assert beside.result() == 0
    finally:
        process.terminate()
        process.wait()
    assert [attempt for _, attempt in marks.read()] == [0]


@pytest.mark.parametrize("which", ["supervisor", "keeper"])
def test_a_killed_guardian_is_followed_by_another_attempt(jobs: Jobs, marks: Marks, which: str) -> None:
    """Which begins when no process of the first is left."""
    beside = Beside(lambda: etl.marked(**marks.inputs))
    ((first, _),) = wait_for(marks.read)
    (begun,) = Path(jobs.spool.root).glob("[!.]*/begun.json")
    os.kill(json.loads(begun.read_text())[which][0], signal.SIGKILL)
    calls = wait_for(lambda: marks.read() if len(marks.read()) > 1 else None)
    assert not is_running(first)
    marks.gate.touch()
    assert beside.result() == 1
    assert [attempt for _, attempt in calls] == [0, 1]


def test_a_job_outlives_its_client(jobs: Jobs, marks: Marks, tmp_path: Path) -> None:
    """The function ends as if nothing had happened, and is called once."""
    code = f"from etl.jobs import marked\nmarked(**{marks.inputs!r})\n"
    environment = {**os.environ, "PYTHONPATH": str(Path(etl.__file__).parents[1])}
    client = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    wait_for(marks.read)
    client.kill()
    client.wait()
    marks.gate.touch()
    (folder,) = [path for path in Path(jobs.spool.root).glob("[!.]*") if path.is_dir()]
    assert wait_for(lambda: turns.state_of(jobs.spool.job(folder.name))["state"] == "succeeded")
    assert len(marks.read()) == 1
