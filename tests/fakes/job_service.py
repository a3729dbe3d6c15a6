"""A job service in a folder. A test writes what shall happen; connectors in any process see it.

jobs/<key>.json    one job: its state, and what its task asked for
calls              one line `<verb> <key>` for each call of a connector, in order
released           exists once jobs that are held may go on
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from flyte_connectors.errors import JobNotFoundError

T = TypeVar("T")

FOLDER_VARIABLE = "FAKE_JOBS"
WAIT_SECONDS = 15.0


class JobService:
    """The jobs of one folder.

    Args:
        folder: The folder; by default the one that `FAKE_JOBS` names.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(os.environ[FOLDER_VARIABLE])
        (self.folder / "jobs").mkdir(parents=True, exist_ok=True)

    def submit(self, key: str, job: Mapping[str, Any]) -> None:
        """Start a job, unless it was started before."""
        draft = self._write(f".{key}", job)
        try:
            os.link(draft, self._path(key))
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def job(self, key: str) -> dict[str, Any]:
        """A job's state and request. Raises JobNotFoundError."""
        try:
            job: dict[str, Any] = json.loads(self._path(key).read_text())
        except FileNotFoundError:
            raise JobNotFoundError(f"the job service knows no job '{key}'") from None
        return job

    def update(self, key: str, **changes: Any) -> None:
        """Change a job, as the service itself would while the job runs.

        Tests and connectors in other processes do so at the same time; none overwrites the other.
        """
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._write(f".{key}", {**self.job(key), **changes}).replace(self._path(key))

    def forget(self, key: str) -> None:
        """Remove a job, as a service does with old ones."""
        self._path(key).unlink()

    @property
    def jobs(self) -> list[str]:
        """Keys of all jobs, by name."""
        return sorted(path.stem for path in (self.folder / "jobs").glob("[!.]*.json"))

    def record(self, verb: str, key: str) -> int:
        """Note a call; returns how many calls of this verb there were for the job before."""
        before = self.calls(verb).count(key)
        with (self.folder / "calls").open("a") as calls:
            calls.write(f"{verb} {key}\n")
        return before

    def calls(self, verb: str) -> list[str]:
        """The job of each call of a verb so far."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [key for name, key in map(str.split, lines) if name == verb]

    def release(self) -> None:
        """Let go on what is held."""
        (self.folder / "released").touch()

    @property
    def released(self) -> bool:
        """Whether `release` was called."""
        return (self.folder / "released").exists()

    def _path(self, key: str) -> Path:
        return self.folder / "jobs" / f"{key}.json"

    def _write(self, name: str, job: Mapping[str, Any]) -> Path:
        draft = self.folder / "jobs" / f"{name}.{os.getpid()}.{time.monotonic_ns()}"
        draft.write_text(json.dumps(job))
        return draft


async def until(condition: Callable[[], T], what: str) -> T:
    """The first true answer of `condition`, asked again and again for a bounded time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS:g} s for {what}"
        await asyncio.sleep(0.005)
    return answer


def wait_until(condition: Callable[[], T], what: str) -> T:
    """As `until`, from plain code."""
    return asyncio.run(until(condition, what))
