"""The way to Slurm through its commands, on this machine or another.

The commands wait for minutes while the controller is down, so each has a limit of time.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple, Protocol

from flyte_connectors.errors import InvalidRequestError, ServiceUnavailableError

from flyte_connectors_batch_job.backends.slurm import faults
from flyte_connectors_batch_job.backends.slurm.channel import (
    ACTION_SECONDS,
    QUESTION_SECONDS,
    Accounted,
    Record,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from flyte_connectors_batch_job.backends.slurm.order import Order

_INHERITED = ("HOME", "LANG", "LOGNAME", "PATH", "SLURM_CONF", "TZ", "USER")
"""Variables that the commands see, and so the jobs: sbatch passes on what it has."""

_FIELDS = "ArrayJobID,ArrayTaskID,State,exit_code,NodeList,Name,Reason"
_ACCOUNTED = "JobID,JobName,State,ExitCode,NodeList"
_USED = "JobID,JobName,ElapsedRaw,TotalCPU,AllocCPUS,MaxRSS,ReqMem,AllocNodes"
_NO_ACCOUNTING = ("accounting storage is disabled", "slurmdbd", "database")
_MOST_IDS = 500
_KEPT_SECONDS = 300.0  # Slurm's default of MinJobAge
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Runner(Protocol):
    """Where commands run."""

    def run(self, command: Sequence[str], text: str, seconds: float) -> Ran:
        """Run a command with `text` as its input.

        Raises:
            ServiceUnavailableError: it can't be run, or took too long.
        """
        ...


class Here:
    """Commands on this machine."""

    def run(self, command: Sequence[str], text: str, seconds: float) -> Ran:
        """See `Runner`."""
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        try:
            process = subprocess.Popen(  # noqa: S603  (our own words, no shell)
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**environment, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            message = f"{command[0]} can't be run on the service's machine: {error.strerror}"
            raise ServiceUnavailableError(message, outcome_unknown=False) from error
        with process:
            try:
                out, err = process.communicate(text, timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so it is still the same
                message = f"{command[0]} gave no answer within {seconds:g} s: is slurmctld up?"
                raise ServiceUnavailableError(message) from None
        return Ran(process.returncode, out, err)


class Commands:
    """The way through the commands.

    Args:
        runner: Where they run.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._kept_seconds: float | None = None

    def jobs(self) -> list[Record]:
        """See `Channel`."""
        form = ",".join(f"{field}:0|" for field in _FIELDS.split(","))
        command = ["squeue", "--noheader", "--array", "--states=all", "--me", f"--Format={form}"]
        out = self._checked(command, seconds=QUESTION_SECONDS)
        return list(_listed(out))

    def submit(self, order: Order) -> int:
        """See `Channel`."""
        out = self._checked(["sbatch", "--parsable", "--hold", *_options(order)], order.script)
        answer = out.strip().splitlines()[-1:] or [""]
        number = answer[0].partition(";")[0]  # the name of a cluster may follow
        if not number.isdecimal():
            raise ServiceUnavailableError(f"sbatch answers '{answer[0][:80]}' instead of a job's id")
        return int(number)

    def release(self, job_id: int) -> None:
        """See `Channel`."""
        self._checked(["scontrol", "release", str(job_id)])

    def cancel(self, name: str, job_ids: Collection[int]) -> None:
        """See `Channel`."""
        if not job_ids:
            return
        command = ["scancel", f"--name={name}", *map(str, sorted(job_ids))]
        with _passed_over(*faults.ENDED):
            self._checked(command)

    def ended(self, job_ids: Collection[int]) -> list[Record]:
        """See `Channel`."""
        wanted, found = sorted(job_ids), []
        for start in range(0, len(wanted), _MOST_IDS):
            ids = ",".join(map(str, wanted[start : start + _MOST_IDS]))
            out = self._accounted(["--allocations", f"--jobs={ids}", f"--format={_ACCOUNTED}"])
            found += [record for line in out if (record := _accounted(line.split("|")))]
        return found

    def accounted(self, job_id: int, name: str) -> Accounted:
        """See `Channel`."""
        out = self._accounted([f"--jobs={job_id}", f"--format={_USED}"])
        return _used([line.split("|") for line in out], name)

    def kept_seconds(self) -> float:
        """See `Channel`."""
        if self._kept_seconds is None:
            out = self._checked(["scontrol", "show", "config"], seconds=QUESTION_SECONDS)
            match = re.search(r"^MinJobAge\s*=\s*([0-9]+)", out, re.MULTILINE)
            self._kept_seconds = float(match[1]) if match else _KEPT_SECONDS
        return self._kept_seconds

    def _accounted(self, options: Sequence[str]) -> list[str]:
        command = ["sacct", "--noheader", "--parsable2", *options]
        ran = self._runner.run(command, "", QUESTION_SECONDS)
        if ran.code and faults.says(ran.err, _NO_ACCOUNTING):
            return []
        return _checked(ran).splitlines()

    def _checked(self, command: Sequence[str], text: str = "", seconds: float = ACTION_SECONDS) -> str:
        return _checked(self._runner.run(command, text, seconds))


def _checked(ran: Ran) -> str:
    if ran.code:
        raise faults.error_of(ran.err or ran.out or f"exit code {ran.code}, without a reason")
    return ran.out


@contextlib.contextmanager
def _passed_over(*complaints: str) -> Iterator[None]:
    try:
        yield
    except InvalidRequestError as error:
        if not faults.says(error.message, complaints):
            raise


def _options(order: Order) -> list[str]:
    wanted = {
        "job-name": order.name,
        "output": "/dev/null",
        "input": "/dev/null",
        "chdir": "/",
        "export": "ALL",
        "time": order.minutes,
        "partition": order.queue,
        "account": order.account,
        "qos": order.qos,
        "nice": order.nice or None,
        "nodes": order.nodes,
        "ntasks": order.tasks,
        "cpus-per-task": order.cpus,
        "mem": order.memory_mebibytes and f"{order.memory_mebibytes}M",
        "gres": order.gpus and f"gpu:{order.gpus}",
        "array": order.array and f"0-{order.array - 1}",
    }
    options = [f"--{name}={value}" for name, value in wanted.items() if value is not None]
    return options if order.requeue else [*options, "--no-requeue"]


def _listed(out: str) -> Iterator[Record]:
    for line in out.splitlines():
        fields = line.split("|")
        if len(fields) < 7 or not fields[0].isdecimal():  # noqa: PLR2004  (see _FIELDS)
            continue
        job_id, index, state, code, nodes, name = fields[:6]
        yield Record(
            int(job_id),
            int(index) if index.isdecimal() else None,
            name,
            state,
            reason="|".join(fields[6:]).strip("|"),
            nodes=nodes,
            exit_code=_code(code),
        )


def _code(text: str) -> int | None:
    """The exit code in squeue's number, which is a status of wait(2), or in sacct's `code:signal`."""
    if ":" in text:
        code, _, number = text.partition(":")
        return _shell_code(code, number)
    if not text.isdecimal():
        return None
    return _shell_code(int(text) >> 8 & 0xFF, int(text) & 0x7F)


def _shell_code(code: str | int, number: str | int) -> int | None:
    try:
        return 128 + int(number) if int(number) else int(code)
    except ValueError:
        return None


def _accounted(fields: list[str]) -> Record | None:
    if len(fields) < 5:  # noqa: PLR2004  (see _ACCOUNTED)
        return None
    job, name, state, code, nodes = fields[:5]
    job_id, _, index = job.partition("_")
    if not job_id.isdecimal() or (index and not index.isdecimal()):
        return None  # the indexes that have not started are one line
    word, _, who = state.partition(" by ")
    number = int(index) if index else None
    return Record(int(job_id), number, name, word, "", nodes, _code(code), who)


def _used(rows: list[list[str]], name: str) -> Accounted:
    """The use of a job, whose steps follow it in further rows."""
    ours = False
    wall, cpu, cpus, peak, asked = 0.0, 0.0, 0, 0.0, 0.0
    for row in rows:
        if len(row) < 8:  # noqa: PLR2004  (see _USED)
            continue
        if "." not in row[0]:
            ours = row[1] == name
            if ours:
                wall = max(wall, float(row[2] or 0))
                cpu += _seconds(row[3])
                cpus += int(row[4] or 0)
                asked = max(asked, _asked(row[6], int(row[4] or 1), int(row[7] or 1)))
        elif ours:
            peak = max(peak, _bytes(row[5]))
    return Accounted(wall or None, cpu or None, cpus or None, peak or None, asked or None)


def _seconds(text: str) -> float:
    """`[days-][hours:]minutes:seconds[.fraction]` in seconds."""
    days, _, rest = text.rpartition("-")
    total = 0.0
    for part in rest.split(":"):
        total = total * 60 + float(part or 0)
    return total + 86_400 * int(days or 0)


def _bytes(text: str) -> float:
    match = re.fullmatch(r"([0-9.]+)([KMGT]?)", text)
    return float(match[1]) * _UNITS[match[2]] if match else 0.0


def _asked(text: str, cpus: int, nodes: int) -> float:
    """What `ReqMem` says in bytes; earlier releases end it with `c`, per core, or `n`, per node."""
    if text.endswith("c"):
        return _bytes(text[:-1]) * cpus
    return _bytes(text.removesuffix("n")) * (nodes if text.endswith("n") else 1)
