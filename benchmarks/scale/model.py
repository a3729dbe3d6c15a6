"""The model: what a load costs, by arithmetic on measured costs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flyte_connectors._dispatch import gathering

READS_PER_EXECUTOR = 10.0
"""Polls a second that one executor of Flyte's back end makes at most: `webApi.readRateLimiter`."""


@dataclass(frozen=True)
class Costs:
    """What was measured on one core of one machine; see `docs/scale.md`.

    Attributes:
        poll_seconds: CPU time of a GetTask, the transport included.
        create_seconds: CPU time of a CreateTask.
        idle_bytes: Resident memory of an idle replica.
        kept_bytes: Memory of a job whose answer is kept.
    """

    poll_seconds: float = 160e-6
    create_seconds: float = 200e-6
    idle_bytes: float = 48e6
    kept_bytes: float = 650.0


@dataclass(frozen=True)
class Load:
    """What the back end asks for.

    Attributes:
        jobs: Jobs that run at once.
        poll_interval: Seconds between two polls of a job.
        lifetime: Seconds that a job runs.
        executors: Executors of the back end.
        reads: Polls a second of each executor at most.
        min_poll_interval: Of the connector with `get_many`; None for one with `get` alone.
        busy: The share of a core that a replica may use.
        replicas: How many there are; 0 for as many as the load needs.
    """

    jobs: int
    poll_interval: float = 30.0
    lifetime: float = 3600.0
    executors: int = 1
    reads: float = READS_PER_EXECUTOR
    min_poll_interval: float | None = 5.0
    busy: float = 0.6
    replicas: int = 0


@dataclass(frozen=True)
class Prediction:
    """What a load costs.

    Attributes:
        polled_every: Seconds between two polls of a job: the limit of the executors' reads may stretch them.
        polls: Polls a second, of all replicas.
        creates: Creates a second.
        replicas: Replicas of one core.
        megabytes: Resident memory of one replica.
        vendor_calls: Calls a second that ask the vendor for states.
        share: Of those that one `get` for each poll would make.
        stale: Seconds after which the back end knows of a job's end at the latest.
        wall: What limits the load first.
    """

    polled_every: float
    polls: float
    creates: float
    replicas: int
    megabytes: float
    vendor_calls: float
    share: float
    stale: float
    wall: str


def predict(load: Load, costs: Costs = Costs()) -> Prediction:
    """The model: arithmetic on the rates, with no fitted constant but the measured costs."""
    can_read = load.executors * load.reads
    polled_every = max(load.poll_interval, load.jobs / can_read)
    polls = load.jobs / polled_every
    creates = load.jobs / load.lifetime
    cores = polls * costs.poll_seconds + creates * costs.create_seconds
    replicas = load.replicas or max(1, math.ceil(cores / load.busy))
    kept = 0.0
    if load.min_poll_interval is None:
        calls = polls
    else:
        # Calls of one job reach the replicas in turn. One that is polled too seldom is new each time.
        follows = replicas * polled_every <= gathering.FOLLOWED
        interval = load.min_poll_interval if follows else 0.0
        calls = replicas * _questions(interval, polls / replicas, creates)
        if load.min_poll_interval:
            kept = min(load.jobs, gathering.MOST_KEPT)
    limited = polled_every > load.poll_interval
    return Prediction(
        polled_every=polled_every,
        polls=polls,
        creates=creates,
        replicas=replicas,
        megabytes=(costs.idle_bytes + kept * costs.kept_bytes) / 1e6,
        vendor_calls=calls,
        share=calls / polls,
        stale=polled_every + (load.min_poll_interval or 0.0),
        wall="the back end's read limiter" if limited else "none: polls are on time",
    )


def _questions(interval: float, polls: float, new_jobs: float) -> float:
    """Calls of `get_many` a second in one replica, for its polls and the jobs that are new to it, a second."""
    window = gathering.WINDOW
    gathered = polls / (1 + polls * window)
    if not interval:
        return gathered
    # The first poll after the interval asks about all jobs; each new job asks by itself, and renews old answers, too.
    of_new = new_jobs / (1 + new_jobs * window)
    renewals = 1 / (interval + 1 / polls + window)
    return min(gathered, of_new + renewals * math.exp(-of_new * interval / 2))
