"""Starts a worker process per running job, and starts it again when it dies.

One thread owns all processes. It looks at the store after each call of `wake` and whenever a process ends, so
the store is the queue, and a restarted service continues.

Workers are forked from a server process that has scikit-learn loaded: a job starts in
milliseconds, and memory is shared.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flyte_connectors_training_service import sweeps
from flyte_connectors_training_service.job_files import JobFiles

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

    from flyte_connectors_training_service.job_store import Job, JobStore
    from flyte_connectors_training_service.sources import Sources
    from flyte_connectors_training_service.training_spec import TrainingSpec

MAX_DEATHS = 3
_WORKER_MODULE = "flyte_connectors_training_service.worker"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _Run:
    """A job's process, and the checkpoint that it started from."""

    process: ForkServerProcess
    checkpoint_version: int


class Supervisor:
    """Keeps up to `slots` workers busy."""

    def __init__(self, store: JobStore, jobs_directory: Path, slots: int, sources: Sources) -> None:
        """Set up; `start` starts the thread."""
        self._sources = sources
        self._store = store
        self._jobs_directory = jobs_directory
        self._slots = slots
        self._runs: dict[str, _Run] = {}
        self._deaths: dict[str, int] = {}  # since the job last finished an epoch
        self._stopping = False
        self._waking = threading.Lock()
        self._context = multiprocessing.get_context("forkserver")
        self._wake_reader, self._wake_writer = multiprocessing.Pipe(duplex=False)
        # Workers hold the reader: it reads its end when this process is gone, however it went.
        self._alive_reader, self._alive_writer = multiprocessing.Pipe(duplex=False)
        self._thread = threading.Thread(target=self._supervise, name="supervisor")

    def start(self) -> None:
        """Start working on the store's jobs."""
        for variable in _THREAD_VARIABLES:
            os.environ.setdefault(variable, "1")  # a worker is one core; sums keep their order
        self._context.set_forkserver_preload([_WORKER_MODULE])
        self._thread.start()

    def wake(self) -> None:
        """Look at the store again: a job was added or cancelled."""
        with self._waking:
            self._wake_writer.send_bytes(b"w")

    def stop(self) -> None:
        """Kill all workers; their jobs resume when the service is started again."""
        self._stopping = True
        self.wake()
        self._thread.join()

    def is_alive(self) -> bool:
        """Whether the thread runs: without it, jobs do not progress."""
        return self._thread.is_alive()

    def files(self, job_id: str) -> JobFiles:
        """Answer the files of a job."""
        return JobFiles(self._jobs_directory / job_id)

    def _supervise(self) -> None:
        for sweep in self._store.unfinished_sweeps():
            self._end_sweep(sweep.job_id)
        while not self._stopping:
            self._kill_cancelled()
            self._fill_slots()
            self._wait()
        for run in self._runs.values():
            run.process.kill()
            run.process.join()

    def _wait(self) -> None:
        """Wait for a call of `wake` or the end of a process, which is reaped."""
        ended: dict[object, str] = {run.process.sentinel: name for name, run in self._runs.items()}
        sentinels = [run.process.sentinel for run in self._runs.values()]
        for ready in multiprocessing.connection.wait([self._wake_reader, *sentinels]):
            if ready is self._wake_reader:
                self._wake_reader.recv_bytes()
            else:
                self._reap(ended[ready])

    def _kill_cancelled(self) -> None:
        for job_id, run in self._runs.items():
            if self._store.job(job_id).has_ended:
                run.process.kill()

    def _fill_slots(self) -> None:
        for job in self._store.unfinished(limit=self._slots):
            if len(self._runs) < self._slots and job.job_id not in self._runs:
                self._start_worker(job)

    def _start_worker(self, job: Job) -> None:
        if not self._store.begin(job.job_id):
            return
        files = self.files(job.job_id)
        files.create()
        checkpoint_version = files.checkpoint_version()
        process = self._context.Process(
            target=_work,
            args=(files.directory, job.spec, self._sources, self._alive_reader),
            name=job.job_id,
            daemon=True,
        )
        process.start()
        self._runs[job.job_id] = _Run(process, checkpoint_version)

    def _reap(self, job_id: str) -> None:
        run = self._runs.pop(job_id)
        run.process.join()
        files = self.files(job_id)
        progressed = files.checkpoint_version() != run.checkpoint_version
        deaths = 1 if progressed else self._deaths.get(job_id, 0) + 1
        if outcome := files.outcome():
            self._store.end(job_id, outcome.status, outcome.message)
        elif deaths == MAX_DEATHS:
            message = f"the worker died {deaths} times in one epoch, probably out of memory"
            self._store.end(job_id, "failed", message)
        elif not self._store.job(job_id).has_ended:
            self._deaths[job_id] = deaths
            return
        self._deaths.pop(job_id, None)
        if parent := (job := self._store.job(job_id)).parent:
            sweep = self.files(parent)
            sweep.create()
            sweep.log_line(f"trial {job_id} {job.status}: {job.message}")
            self._end_sweep(parent)

    def _end_sweep(self, sweep_id: str) -> None:
        """End a sweep whose trials have all ended; the service may have been killed before it did."""
        trials = self._store.trials(sweep_id)
        if not all(trial.has_ended for trial in trials):
            return
        best = sweeps.best(trials, self.files)
        if best is None:
            self._store.end(sweep_id, "failed", f"none of {len(trials)} trials has finished")
        else:
            finished = sum(trial.status == "finished" for trial in trials)
            message = f"{finished} of {len(trials)} trials finished, the best is {best.job_id}"
            self._store.end(sweep_id, "finished", message)


def _work(directory: Path, spec: TrainingSpec, sources: Sources, service_alive: Connection) -> None:
    """Run in the worker's process, which has the module already; the service never loads it."""
    from flyte_connectors_training_service import worker

    worker.run(directory, spec, sources, service_alive)
