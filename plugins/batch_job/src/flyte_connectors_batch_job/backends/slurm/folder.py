"""One job's folder: the only state that this back end has beside Slurm's own.

    <folder>/<job id>/
      spec.json      what was asked for, to compare and to judge by
      inputs.json    the task's inputs, command, script: what the batch script uses
      owner-1 ...    links to ids in Slurm: the job that was chosen to be released; the highest number counts
      released-1 ... links to the times of their release
      again-1-0 ...  links for each time that it was released again
      order.json     what Slurm was asked for
      cancelled      a link: Flyte has cancelled the job
      verdict.json   how it ended, once that has been determined
      <index>/       of each index of an array; 0 of any other job
        begun        a link: which job in Slurm runs it; made once
        stdout, stderr, outputs.json, work/
        outcome      how its command ended

Links are made by one system call that fails if there is one, on network file systems, too: of several
services, or jobs, one is first.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_connectors_batch_job.backends.slurm.files import DamagedFileError, NewFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors_batch_job.backends.slurm.files import Files

MOST_RELEASES = 3
"""How often a job is released again; then it stays held, as its user may want."""

MOST_OWNERS = 9
"""The script compares the links' names as text."""

_MOST_BYTES = 64 * 1024 * 1024
_MOST_OUTCOME_BYTES = 64 * 1024
_OWNER = "owner-"
_RELEASED = "released-"


class Owner(NamedTuple):
    """The job in Slurm that was chosen to be released."""

    number: int
    job_id: int


class Outcome(NamedTuple):
    """How the command of an index ended, as the batch script wrote it."""

    code: int
    cause: str
    began: float
    ended: float
    host: str
    cpu_seconds: float | None
    message: str


class JobFolder:
    """The folder of a job.

    Args:
        files: Where the jobs' folders are.
        job_id: The job.
    """

    def __init__(self, files: Files, job_id: str) -> None:
        self._files = files
        self._job = job_id

    def publish(self, spec: Mapping[str, Any], files: Mapping[str, NewFile]) -> bool:
        """Create it. False if it exists."""
        content = NewFile(json.dumps(spec, sort_keys=True).encode())
        return self._files.publish(self._job, {**files, "spec.json": content})

    def spec(self) -> dict[str, Any] | None:
        """What was asked for; None if there is no such folder."""
        return self._json("spec.json")

    def owner(self) -> Owner | None:
        """The job that was chosen last; None if there is none."""
        names = [name for name in self._files.names(self._job) if name.startswith(_OWNER)]
        for name in sorted(names, reverse=True):
            number = name.removeprefix(_OWNER)
            target = self._files.target(f"{self._job}/{name}") or ""
            if number.isdecimal() and target.isdecimal():
                return Owner(int(number), int(target))
        return None

    def own(self, job_id: int, after: Owner | None) -> Owner | None:
        """Make a job the owner, after another one that is lost. None if another process was first."""
        number = after.number + 1 if after else 1
        if self._files.link(f"{self._job}/{_OWNER}{number}", str(job_id)):
            return Owner(number, job_id)
        return None

    def note_release(self, owner: Owner) -> None:
        """Write down that the owner was released, and when."""
        self._files.link(f"{self._job}/{_RELEASED}{owner.number}", f"{time.time():.0f}")

    def released(self, owner: Owner) -> float | None:
        """When the owner was released, in seconds since 1970; None if that is not written."""
        target = self._files.target(f"{self._job}/{_RELEASED}{owner.number}") or ""
        return float(target) if target.isdecimal() else None

    def may_release_again(self, owner: Owner) -> bool:
        """Whether the owner may be released once more; counts it."""
        name = f"{self._job}/again-{owner.number}-"
        return any(self._files.link(f"{name}{count}", "flyte") for count in range(MOST_RELEASES))

    def order(self) -> dict[str, Any] | None:
        """What Slurm was asked for; None if there is no such folder."""
        return self._json("order.json")

    def cancel(self) -> None:
        """Write down that Flyte has cancelled the job."""
        self._files.link(f"{self._job}/cancelled", "flyte")

    def is_cancelled(self) -> bool:
        """Whether Flyte has cancelled the job."""
        return self._files.target(f"{self._job}/cancelled") is not None

    def verdict(self) -> dict[str, Any] | None:
        """How the job ended; None while that is not known."""
        return self._json("verdict.json")

    def judge(self, verdict: Mapping[str, Any]) -> None:
        """Write down how the job ended."""
        self._files.write(f"{self._job}/verdict.json", json.dumps(verdict).encode())

    def begun(self, index: int) -> str | None:
        """Which job in Slurm runs an index; None if none has begun to."""
        return self._files.target(f"{self._job}/{index}/begun")

    def outcome(self, index: int) -> Outcome | None:
        """How the command of an index ended; None if that is not written."""
        try:
            data = self.read(index, "outcome", _MOST_OUTCOME_BYTES)
        except DamagedFileError:
            return None
        return None if data is None else _outcome(data.decode(errors="replace"))

    def read(self, index: int, name: str, limit: int, offset: int = 0) -> bytes | None:
        """At most `limit` bytes of a file of an index; None if there is no file."""
        return self._files.read(f"{self._job}/{index}/{name}", limit, offset)

    def size(self, index: int, name: str) -> int:
        """How many bytes a file of an index has; 0 if there is none."""
        return self._files.size(f"{self._job}/{index}/{name}")

    def _json(self, name: str) -> dict[str, Any] | None:
        try:
            data = self._files.read(f"{self._job}/{name}", _MOST_BYTES)
            content = None if data is None else json.loads(data)
        except (DamagedFileError, ValueError):
            return None
        return content if isinstance(content, dict) else None


def _outcome(text: str) -> Outcome | None:
    parts = (line.partition("=") for line in text.splitlines())
    values = {name: value for name, _, value in parts}
    try:
        return Outcome(
            code=int(values["code"]),
            cause=values["cause"],
            began=float(values["began"]),
            ended=float(values["ended"]),
            host=values["host"],
            cpu_seconds=_cpu_seconds(values.get("cpu", "")),
            message=values.get("message", ""),
        )
    except (KeyError, ValueError):
        return None


def _cpu_seconds(text: str) -> float | None:
    """The sum of what `times` of the shell prints, such as `0m1.500s 0m0.020s`."""
    total = 0.0
    for word in text.split():
        minutes, _, seconds = word.rstrip("s").partition("m")
        try:
            total += 60 * float(minutes) + float(seconds)
        except ValueError:
            return None
    return total
