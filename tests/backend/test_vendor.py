"""The vendor keeps its promises and breaks them on demand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from flyteidl2.task.common_pb2 import Outputs

from . import vendor as vendor_module
from .vendor import Faults, Vendor
from .vendor_client import VendorError, call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from .task import Task

JOB = {"task": "t1", "attempt": 0, "value": 21, "seconds": 0}


@asynccontextmanager
async def serving(vendor: Vendor) -> AsyncIterator[str]:
    """The vendor's URL while the block runs."""
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/jobs"


def calls(vendor: Vendor, *requests: tuple[str, str, dict[str, Any]]) -> list[Any]:
    """The replies to some calls, or the errors they end with."""

    async def play() -> list[Any]:
        async with serving(vendor) as url:
            return [
                (await asyncio.gather(call(method, url + path, body), return_exceptions=True))[0]
                for method, path, body in requests
            ]

    return asyncio.run(play())


def test_the_same_key_is_the_same_job() -> None:
    """Also at once."""
    vendor = Vendor()
    calls(vendor, ("PUT", "/k", JOB), ("PUT", "/k", JOB))
    assert len(vendor.jobs) == 1


def test_posting_twice_makes_two_jobs() -> None:
    """There is no key to tell them by."""
    vendor = Vendor()
    first, second = calls(vendor, ("POST", "", JOB), ("POST", "", JOB))
    assert first["id"] != second["id"]
    assert len(vendor.jobs) == 2


def test_a_finished_job_has_its_result() -> None:
    """In the reply, by name."""
    _, job = calls(Vendor(), ("PUT", "/k", JOB), ("GET", "/k", {}))
    assert job == {"id": "k", "state": "succeeded", "result": {"double": 42, "label": "t1"}}


def test_a_job_may_leave_its_outputs_at_the_prefix(tmp_path: Path, task: Task) -> None:
    """As the file that the back end reads."""
    _, job = calls(Vendor(), ("PUT", "/k", JOB | {"outputs_uri": str(tmp_path / "p")}), ("GET", "/k", {}))
    assert "result" not in job
    assert task.is_right(Outputs.FromString((tmp_path / "p" / "outputs.pb").read_bytes()))


def test_a_running_job_can_be_cancelled() -> None:
    """And stays so."""
    body = JOB | {"seconds": 60}
    *_, job = calls(Vendor(), ("PUT", "/k", body), ("DELETE", "/k", {}), ("GET", "/k", {}))
    assert job["state"] == "cancelled"


def test_a_lost_reply_leaves_a_job_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller can't tell that from a call which never arrived."""
    monkeypatch.setattr(vendor_module, "FAILURES", ("lost_reply",) * 5)
    vendor = Vendor()
    vendor.faults = Faults(failing=1.0)
    (reply,) = calls(vendor, ("PUT", "/k", JOB))
    assert isinstance(reply, ConnectionResetError)
    assert list(vendor.jobs) == ["k"]


def test_a_forgotten_job_is_not_found_and_does_not_run() -> None:
    """Delete comes too late for it."""
    vendor = Vendor()
    vendor.faults = Faults(forgotten=1.0)
    _, reply = calls(vendor, ("PUT", "/k", JOB | {"seconds": 60}), ("DELETE", "/k", {}))
    assert isinstance(reply, VendorError)
    assert reply.status == 404
    assert vendor.jobs["k"].state == "forgotten"


def test_faults_are_the_same_for_the_same_seed() -> None:
    """So a run can be repeated."""

    def outcomes(seed: int) -> list[type]:
        vendor = Vendor()
        faults = {"failing": 0.5, "seed": seed}

        async def play() -> list[type]:
            async with serving(vendor) as url:
                await call("PUT", url.replace("jobs", "control/faults"), faults)
                replies: list[Any] = []
                for number in range(20):
                    reply = call("PUT", f"{url}/{number}", JOB)
                    replies += await asyncio.gather(reply, return_exceptions=True)
                return [type(reply) for reply in replies]

        return asyncio.run(play())

    assert outcomes(1) == outcomes(1) != outcomes(2)
