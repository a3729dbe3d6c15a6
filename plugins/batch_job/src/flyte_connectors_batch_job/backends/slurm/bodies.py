"""The bodies of slurmrestd's requests and replies, in the versions of its API that are known here.

Source: https://slurm.schedmd.com/rest_api.html and what the daemons of 22.05 answer. From version 39 on, numbers
may be objects with `set`, `infinite` and `number`; from version 40 on, states are lists.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_connectors_batch_job.backends.slurm.channel import Accounted, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flyte_connectors_batch_job.backends.slurm.order import Order

KNOWN = range(37, 45)
RELEASE = {"hold": False}

_OBJECTS = 39
"""The first version that wants limits as objects, and the environment as a list."""

_TRANSIENT_FLAGS = ("COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT")
"""Of a list of states, the one that counts before the first."""

_VAGUE = ("", "unspecified error", "zero bytes were transmitted or received")
_MEBIBYTE = 1024 * 1024
_MILLION = 1_000_000


def submission(order: Order, version: int) -> dict[str, Any]:
    """The body that submits a job, held."""
    is_new = version >= _OBJECTS
    environment = order.environment
    wanted = {
        "name": order.name,
        "hold": True,
        "environment": [f"{k}={v}" for k, v in environment.items()] if is_new else environment,
        "current_working_directory": "/",
        "standard_input": "/dev/null",
        "standard_output": "/dev/null",
        "standard_error": "/dev/null",
        "time_limit": _number(order.minutes, is_new=is_new),
        "partition": order.queue,
        "account": order.account,
        "qos": order.qos,
        "nice": order.nice or None,
        "nodes": order.nodes and (str(order.nodes) if is_new else [order.nodes, order.nodes]),
        "tasks": order.tasks,
        "cpus_per_task": order.cpus,
        "memory_per_node": order.memory_mebibytes and _number(order.memory_mebibytes, is_new=is_new),
        ("tres_per_node" if is_new else "gres"): order.gpus
        and (f"gres/gpu:{order.gpus}" if is_new else f"gpu:{order.gpus}"),
        "array": order.array and f"0-{order.array - 1}",
        "requeue": order.requeue,
    }
    job = {name: value for name, value in wanted.items() if value is not None}
    return {"script": order.script, "job": job}


def complaint(answer: Mapping[str, Any]) -> tuple[str, bool]:
    """What Slurm complains of in an answer, empty if of nothing; and whether that says little."""
    texts, numbers = [], []
    for error in answer.get("errors") or ():
        number = error.get("error_number", error.get("error_code"))
        if number == 0:
            continue
        numbers.append(number)
        texts += [str(error[key]) for key in ("error", "description") if error.get(key)]
    text = "; ".join(dict.fromkeys(texts))
    specific = [part for part in texts if part.lower() not in _VAGUE]
    is_vague = bool(texts) and (not specific or (-1 in numbers and set(numbers) <= {-1, None}))
    return text, is_vague


def is_up(ping: Mapping[str, Any]) -> bool:
    """Whether a controller answered."""
    return str(ping.get("ping") or ping.get("pinged") or "UP").upper() == "UP"


def records(job: Mapping[str, Any]) -> Iterator[Record]:
    """What the controller says of a job; indexes of an array that have not started are one object."""
    waiting = str(job.get("array_task_string") or "")
    array = number(job.get("array_job_id")) or 0
    index = number(job.get("array_task_id"))
    record = Record(
        job_id=int(array or number(job.get("job_id")) or 0),
        index=None if index is None or not array else int(index),
        name=str(job.get("name") or ""),
        state=_state(job.get("job_state")),
        reason=str(job.get("state_reason") or "").strip(),
        nodes=str(job.get("nodes") or ""),
        exit_code=_exit_code(job.get("exit_code")),
    )
    if not waiting:
        yield record
        return
    for first in _indexes(waiting):
        yield dataclasses.replace(record, index=first)


def accounted_record(job: Mapping[str, Any]) -> Record | None:
    """What accounting says of a job's end."""
    array = job.get("array") or {}
    index = number(array.get("task_id"))
    array_id = number(array.get("job_id")) or 0
    state = job.get("state") or {}
    user = state.get("reason") if isinstance(state.get("reason"), str) else ""
    job_id = int(array_id or number(job.get("job_id")) or 0)
    return Record(
        job_id=job_id,
        index=None if index is None or not array_id else int(index),
        name=str(job.get("name") or ""),
        state=_state(state.get("current")),
        reason="" if user in (None, "None") else user,
        nodes=str(job.get("nodes") or ""),
        exit_code=_exit_code(job.get("exit_code")),
        cancelled_by=str(job.get("kill_request_user") or ""),
    )


def accounted(jobs: Sequence[Mapping[str, Any]]) -> Accounted:
    """What accounting says that a job, or all indexes of an array, used."""
    wall, cpu, cpus, peak, asked = 0.0, 0.0, 0, 0.0, 0.0
    for job in jobs:
        times = job.get("time") or {}
        total = times.get("total") or {}
        wall = max(wall, float(number(times.get("elapsed")) or 0))
        cpu += float(number(total.get("seconds")) or 0)
        cpu += float(number(total.get("microseconds")) or 0) / _MILLION
        tres = job.get("tres") or {}
        cpus += int(_count(tres.get("allocated"), "cpu"))
        asked = max(asked, _count(tres.get("requested"), "mem") * _MEBIBYTE)
        for step in job.get("steps") or ():
            most = ((step.get("tres") or {}).get("requested") or {}).get("max")
            peak = max(peak, _count(most, "mem"))
    return Accounted(wall or None, cpu or None, cpus or None, peak or None, asked or None)


def number(value: Any) -> float | None:
    """A number, in either form; None if it is not set."""
    if isinstance(value, dict):
        if not value.get("set", True) or value.get("infinite"):
            return None
        value = value.get("number")
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _number(value: int, *, is_new: bool) -> Any:
    return {"set": True, "number": value} if is_new else value


def _count(entries: Any, kind: str) -> float:
    """How much of a kind of resource a list of them holds."""
    found = (number(entry.get("count")) for entry in entries or () if entry.get("type") == kind)
    return float(max((count for count in found if count), default=0))


def _state(value: Any) -> str:
    if isinstance(value, str):
        return value.upper()
    states = [str(word).upper() for word in value or ()]
    return next((word for word in _TRANSIENT_FLAGS if word in states), (states or ["UNKNOWN"])[0])


def _exit_code(value: Any) -> int | None:
    """The exit code of a status of wait(2), or of the object that later versions make of it."""
    if isinstance(value, dict):
        signal = number((value.get("signal") or {}).get("signal_id", (value.get("signal") or {}).get("id")))
        code = number(value.get("return_code"))
        return 128 + int(signal) if signal else None if code is None else int(code)
    status = number(value)
    if status is None:
        return None
    return 128 + (int(status) & 0x7F) if int(status) & 0x7F else int(status) >> 8 & 0xFF


def _indexes(text: str) -> Iterator[int]:
    """The indexes of `0-3,7,9-15:2%4`; of a text that was cut, those that it still names."""
    for part in text.partition("%")[0].strip("[]").split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            yield from range(int(first), int(last or first) + 1, int(step or 1))
