"""What is asked of Slurm for a job: a task's fields in Slurm's terms."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flyte_connectors_batch_job.config import BatchJobConfig

NAME_PREFIX = "flyte-"
"""Of the names of jobs in Slurm; the job's id follows."""

SPARE_MINUTES = 1
"""What Slurm's limit is longer: the batch script itself keeps the task's limit, to the second."""

_MEBIBYTE = 1024 * 1024
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@dataclasses.dataclass(frozen=True)
class Order:
    """A job to submit, held.

    Args:
        name: Its name, by which it is found again.
        script: The batch script.
        minutes: Time limit.
        queue: Partition.
        account: Account.
        qos: Quality of service.
        nice: What its priority is lowered by.
        nodes: Number of nodes.
        tasks: Number of tasks.
        cpus: Cores for each task.
        memory_mebibytes: Memory on each node.
        gpus: GPUs on each node.
        array: Number of indexes.
        requeue: Whether Slurm may start it again.
    """

    name: str
    script: str
    minutes: int
    queue: str | None = None
    account: str | None = None
    qos: str | None = None
    nice: int = 0
    nodes: int | None = None
    tasks: int | None = None
    cpus: int | None = None
    memory_mebibytes: int | None = None
    gpus: int | None = None
    array: int | None = None
    requeue: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the batch script starts with, where the way to Slurm brings none."""
        return dict(_ENVIRONMENT)


def order_of(job_id: str, config: BatchJobConfig, script: str, *, requeue: bool) -> Order:
    """What Slurm is asked for, for a job."""
    memory, cpu = config.memory_bytes, config.cpu_count
    return Order(
        name=name_of(job_id),
        script=script,
        minutes=math.ceil(config.timeout_seconds / 60) + SPARE_MINUTES,
        queue=config.queue,
        account=config.account,
        qos=config.qos,
        nice=-config.priority,
        nodes=config.nodes,
        tasks=config.tasks,
        cpus=None if cpu is None else math.ceil(cpu),
        memory_mebibytes=None if memory is None else math.ceil(memory / _MEBIBYTE),
        gpus=config.gpu,
        array=config.array,
        requeue=requeue,
    )


def name_of(job_id: str) -> str:
    """The name in Slurm of a job."""
    return NAME_PREFIX + job_id
