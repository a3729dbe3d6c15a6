"""A cluster as the conformance kit wants it, with jobs that do what files tell them to."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from typing import TYPE_CHECKING, Any

from batch_jobs import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from slurm_cluster import SlurmCluster

SCRIPT = """
orders={orders}
while :; do
    if [ -e $orders/$BATCH_JOB_ID.lines ]; then
        mv $orders/$BATCH_JOB_ID.lines $orders/$BATCH_JOB_ID.printing
        cat $orders/$BATCH_JOB_ID.printing
    fi
    [ -e $orders/$BATCH_JOB_ID.complete ] && exit 0
    [ -e $orders/$BATCH_JOB_ID.fail ] && exit 3
    sleep 0.05
done
"""
FRESH_SECONDS = 2.0
"""For how long at most `get` is answered by an earlier question, on a busy machine."""


class SlurmService:
    """The cluster, and jobs that do what files tell them to."""

    def __init__(self, cluster: SlurmCluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._orders = folder.with_name(f"{folder.name}-orders")
        self._orders.mkdir()
        self._programs = self._orders / "bin"
        self._programs.mkdir()
        self._away = False

    @property
    def script(self) -> str:
        return SCRIPT.format(orders=shlex.quote(str(self._orders)))

    def jobs(self) -> dict[str, bool]:
        listed = {
            name.removeprefix("flyte-"): state not in ("COMPLETED", "FAILED", "CANCELLED")
            for _, state, priority, name in self._cluster.jobs()
            if priority != "0"
        }
        return {path.name: listed.get(path.name, False) for path in self._folder.glob("[!.]*")}

    def complete(self, job: str) -> None:
        self._end(job, "complete")

    def fail(self, job: str) -> None:
        self._end(job, "fail")

    def forget(self, job: str) -> None:
        self._end(job, "complete")
        shutil.rmtree(self._folder / job)

    def go_away(self) -> None:
        """Have the commands fail as they do without a controller, but at once."""
        self._replace("echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")
        time.sleep(FRESH_SECONDS)

    def hang(self) -> None:
        self._cluster.pause_controller()
        self._away = True
        time.sleep(FRESH_SECONDS)

    def come_back(self) -> None:
        shutil.rmtree(self._programs)
        self._programs.mkdir()
        if self._away:
            self._cluster.resume_controller()

    def lose_reply(self) -> None:
        """Have the next submission fail after the controller has taken the job."""
        self._program("sbatch", 'rm "$0"; sbatch "$@" >/dev/null; echo "Socket timed out" >&2; exit 1')

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        wait_for((self._folder / job / "0" / "begun").is_symlink)
        log = self._folder / job / "0" / "stdout"
        before = log.stat().st_size if log.exists() else 0
        draft = self._orders / f"{job}.draft"
        draft.write_text("".join(f"{line}\n" for line in lines))
        draft.rename(self._orders / f"{job}.lines")
        wanted = before + sum(len(line) + 1 for line in lines)
        wait_for(lambda: log.exists() and log.stat().st_size >= wanted)

    def inputs_of(self, job: str) -> dict[str, Any]:
        inputs: dict[str, Any] = json.loads((self._folder / job / "inputs.json").read_text())
        return inputs

    def environment(self) -> dict[str, str]:
        return {}  # set for this process and its children

    @property
    def path(self) -> str:
        return f"{self._programs}:{os.environ['PATH']}"

    def _end(self, job: str, order: str) -> None:
        (self._orders / f"{job}.{order}").touch()
        wait_for((self._folder / job / "0" / "outcome").exists)
        wait_for(lambda: not self.jobs()[job])

    def _replace(self, body: str) -> None:
        for name in ("sbatch", "squeue", "scontrol", "scancel", "sacct"):
            self._program(name, body)

    def _program(self, name: str, body: str) -> None:
        program = self._programs / name
        program.write_text(f"#!/bin/sh\nPATH=${{PATH#*:}}\n{body}\n")
        program.chmod(0o755)
