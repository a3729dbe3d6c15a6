"""Exactly one released job per key, although Slurm gives each submission another id.

A job is submitted held, under a name that holds the key. Of all jobs of that name one is chosen by creating a
link in the job's folder, which fails if there is one; only the chosen one is released, the others are cancelled
while they are held. The batch script compares the link with its own id before it begins, and begins once.
A call that finds a folder without a link, or a link without a release, goes on from there.
Why this holds is in docs/decisions/0022.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from flyte_connectors.errors import (
    ConflictError,
    InvalidRequestError,
    ServiceUnavailableError,
)

from flyte_connectors_batch_job.backends import modules
from flyte_connectors_batch_job.backends.slurm import job_secrets, states
from flyte_connectors_batch_job.backends.slurm.files import NewFile
from flyte_connectors_batch_job.backends.slurm.folder import MOST_OWNERS
from flyte_connectors_batch_job.backends.slurm.order import Order, name_of, order_of
from flyte_connectors_batch_job.backends.slurm.script import batch_script, job_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flyte_connectors_batch_job.backends.interface import JobRequest
    from flyte_connectors_batch_job.backends.slurm.channel import Record
    from flyte_connectors_batch_job.backends.slurm.cluster import Cluster
    from flyte_connectors_batch_job.backends.slurm.folder import Owner
    from flyte_connectors_batch_job.backends.slurm.view import Seen

_TRIES = 3


def place(cluster: Cluster, job_id: str, request: JobRequest) -> int:
    """Have exactly one job of this key released. Returns its id in Slurm.

    Raises:
        ConflictError: the key belongs to something else.
        InvalidRequestError: Slurm refuses the job.
        ServiceUnavailableError: that is not sure now; the next call goes on from here.
    """
    path, folder = cluster.path(job_id), cluster.folder(job_id)
    job_secrets.check(request.config.secrets, cluster.settings.secret_command)
    if request.config.function is not None and folder.spec() is None:
        modules.check(request.config)
    request = job_secrets.wrapped(request)
    spec = _spec(request)
    script = batch_script(path, request, cluster.settings.secret_command)
    order = order_of(job_id, request.config, script, requeue=cluster.settings.requeue)
    text = json.dumps(dataclasses.asdict(order)).encode()
    files = {**job_files(job_id, path, request), "order.json": NewFile(text)}
    is_new = folder.publish(spec, files)
    if not is_new and _differ(folder.spec() or {}, spec):
        message = f"batch job '{job_id}' exists already and runs something else"
        raise ConflictError(message)
    owner = folder.owner()
    if owner is None:
        owner = _choose(cluster, job_id, order, None, may_be_there=not is_new)
    return _released(cluster, job_id, order, owner)


def place_again(cluster: Cluster, job_id: str, lost: Owner) -> int | None:
    """Have a job released in the place of one that the controller has lost before it began.

    Returns:
        Its id in Slurm; None if that has been tried often enough.
    """
    written = cluster.folder(job_id).order()
    if written is None or lost.number >= MOST_OWNERS:
        return None
    order = Order(**written)
    owner = _choose(cluster, job_id, order, lost, may_be_there=True)
    return _released(cluster, job_id, order, owner)


def _choose(cluster: Cluster, job_id: str, order: Order, lost: Owner | None, *, may_be_there: bool) -> Owner:
    """The job that is to be released: one that an earlier call has submitted, or this one."""
    folder, name = cluster.folder(job_id), name_of(job_id)
    for attempt in range(_TRIES):
        candidates: list[Record] = []
        if may_be_there or attempt:
            candidates = _candidates(cluster.view.fresh().jobs.get(name, ()))
        if not candidates:
            cluster.channel.submit(order)
            candidates = _candidates(cluster.view.fresh().jobs.get(name, ()))
        if not candidates:
            continue  # the controller has lost it again
        best = min(candidates, key=lambda record: (states.is_held(record), record.job_id))
        owner = folder.own(best.job_id, lost) or folder.owner()
        if owner and owner != lost:
            held = {record.job_id for record in candidates if states.is_held(record)}
            cluster.channel.cancel(name, held - {owner.job_id})
            return owner
    message = f"Slurm does not list the job '{name}' that it has taken: it may have been restarted"
    raise ServiceUnavailableError(message)


def _candidates(records: Iterable[Record]) -> list[Record]:
    """Those that may be chosen. Those that were cancelled have not been."""
    return [record for record in records if record.state != "CANCELLED"]


def _released(cluster: Cluster, job_id: str, order: Order, owner: Owner) -> int:
    folder = cluster.folder(job_id)
    if folder.released(owner) is not None:
        return owner.job_id
    # An id that is not listed under this name may be another job's by now. Such a job has run and is
    # forgotten, or is lost: the next question about its state finds out.
    listed = _of_owner(cluster.view.recent(), order.name, owner)
    if listed or _of_owner(cluster.view.fresh(), order.name, owner):
        try:
            cluster.channel.release(owner.job_id)
        except InvalidRequestError:  # also said of a job that is released, and can't start yet
            if any(map(states.is_held, _of_owner(cluster.view.fresh(), order.name, owner))):
                raise
    folder.note_release(owner)
    cluster.memory.note_release(job_id)
    return owner.job_id


def _of_owner(seen: Seen, name: str, owner: Owner) -> list[Record]:
    return [record for record in seen.jobs.get(name, ()) if record.job_id == owner.job_id]


def _spec(request: JobRequest) -> dict[str, Any]:
    """What is compared, and what a verdict needs."""
    config = request.config
    spec = {
        **dataclasses.asdict(config),
        "inputs": request.inputs,
        "outputs": list(request.outputs),
        "line_output": request.line_output,
        "files": request.files,
        "memory_bytes": config.memory_bytes,
    }
    written: dict[str, Any] = json.loads(json.dumps(spec, default=_plain))
    return written


def _plain(value: object) -> object:
    """Mappings and sequences of other kinds, as a caller may pass them."""
    return dict(value) if hasattr(value, "keys") else list(value)  # type: ignore[call-overload]


def _differ(written: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two specs ask for different jobs, by what releases of different age both say."""
    return any(written[name] != wanted[name] for name in written.keys() & wanted.keys())
