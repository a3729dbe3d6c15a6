"""Batch jobs obey the rules of every connector. The service is the spool itself, with real processes."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import template, wait_for, wait_until_alone
from flyte_connectors import NativeInterface
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest

from flyte_connectors_batch_job import BatchJobConnector
from flyte_connectors_batch_job.backends.local import job as states
from flyte_connectors_batch_job.backends.local import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flyte_connectors_batch_job.backends.local.spool import Spool

SCRIPT = """
mkdir -p {orders}
while :; do
    if [ -e {orders}/$BATCH_JOB_ID.lines ]; then
        mv {orders}/$BATCH_JOB_ID.lines {orders}/$BATCH_JOB_ID.printing
        cat {orders}/$BATCH_JOB_ID.printing
    fi
    [ -e {orders}/$BATCH_JOB_ID.complete ] && exit 0
    [ -e {orders}/$BATCH_JOB_ID.fail ] && exit 3
    sleep 0.02
done
"""
"""A job that does what files beside the spool tell it to."""


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every service of these tests has the same spool, so a create may be repeated."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_SPOOL_SHARED", "true")


VALUES: dict[Any, Any] = {
    int: 2**53 + 1,
    float: 0.1,
    bool: True,
    str: "Żółć '\"\\ $PATH \n",
    list[int]: [1, 2],
    dict: {"a": [None, 1.5]},
}
"""A value of each type that a job reads as JSON."""


class SpoolService:
    """The spool, and jobs that take orders."""

    def __init__(self, spool: Spool, orders: Path) -> None:
        self._spool = spool
        self._orders = orders

    def jobs(self) -> dict[str, bool]:
        paths = Path(self._spool.root).glob("[!.]*")
        jobs = [self._spool.job(path.name) for path in paths if path.is_dir()]
        return {job.id: turns.state_of(job)["state"] in (states.QUEUED, states.RUNNING) for job in jobs}

    def complete(self, job: str) -> None:
        self._order(job, "complete")
        wait_until_alone(self._spool.job(job))

    def fail(self, job: str) -> None:
        self._order(job, "fail")
        wait_until_alone(self._spool.job(job))

    def forget(self, job: str) -> None:
        self._order(job, "complete")
        wait_until_alone(self._spool.job(job))
        shutil.rmtree(self._spool.job(job).path)

    def go_away(self) -> None:
        """Put a file in the spool's place, as a mount that is gone leaves one."""
        spool = Path(self._spool.root)
        if spool.exists():
            spool.rename(spool.with_name("spool-away"))
        spool.write_text("")

    def come_back(self) -> None:
        spool = Path(self._spool.root)
        away = spool.with_name("spool-away")
        if spool.is_file():
            spool.unlink()
        if away.exists():
            away.rename(spool)

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        log = Path(self._spool.job(job).file("log"))
        before = log.stat().st_size if log.exists() else 0
        draft = self._orders / f"{job}.draft"
        draft.write_text("".join(f"{line}\n" for line in lines))
        draft.rename(self._orders / f"{job}.lines")
        wanted = before + sum(len(line) + 1 for line in lines)
        wait_for(lambda: log.exists() and log.stat().st_size >= wanted)

    def inputs_of(self, job: str) -> dict[str, Any]:
        inputs: dict[str, Any] = self._spool.job(job).spec()["inputs"]
        return inputs

    def environment(self) -> dict[str, str]:
        return {}  # the spool's variable is set for this process and its children

    def _order(self, job: str, order: str) -> None:
        (self._orders / f"{job}.{order}").touch()


class TestBatchJobs(ConnectorConformance):
    """The connector of task type `batch_job`."""

    skips = dict.fromkeys(
        ("test_a_deadline_is_kept", "test_a_cancelled_call_ends"),
        "the spool is a local folder, which answers or fails but can't hang",
    )

    @pytest.fixture
    def service(self, spool: Spool, tmp_path: Path) -> SpoolService:
        orders = tmp_path / "orders"
        orders.mkdir()
        service = SpoolService(spool, orders)
        yield service
        service.come_back()

    @pytest.fixture
    def connector(self) -> Callable[[], BatchJobConnector]:
        return BatchJobConnector

    @pytest.fixture
    def good_request(self, service: SpoolService, tmp_path: Path) -> CreateTaskRequest:
        script = SCRIPT.format(orders=shlex.quote(str(tmp_path / "orders")))
        return CreateTaskRequest(template=template(script=script), output_prefix="file:///nowhere")

    @pytest.fixture
    def other_request(self) -> CreateTaskRequest:
        return CreateTaskRequest(template=template(script="true"), output_prefix="file:///nowhere")

    @pytest.fixture
    def typed_requests(self, good_request: CreateTaskRequest) -> dict[str, CreateTaskRequest]:
        return {str(kind): _with_input(good_request, kind, VALUES[kind]) for kind in VALUES}

    @pytest.fixture
    def golden_metas(self) -> dict[bytes, dict[str, object]]:
        return {b'{"job_id": "a-job"}': {"job_id": "a-job"}}

    @pytest.fixture
    def bad_requests(self) -> dict[str, CreateTaskRequest]:
        wrong = {
            "custom.script": {"script": " "},
            "custom.command": {"command": []},
            "custom.env": {"env": {"A=B": "c"}},
            "custom.working_directory": {"working_directory": "not/absolute"},
            "custom.timeout_seconds": {"timeout_seconds": -1},
        }
        return {
            field: CreateTaskRequest(template=template(**fields), output_prefix="file:///nowhere")
            for field, fields in wrong.items()
        }


def _with_input(request: CreateTaskRequest, kind: Any, value: object) -> CreateTaskRequest:
    """A copy of `request` whose task has one input."""
    interface = NativeInterface({"value": kind}, {})
    copy = CreateTaskRequest(inputs=interface.write_inputs("batch", {"value": value}))
    copy.template.CopyFrom(request.template)
    copy.template.interface.CopyFrom(interface.to_proto())
    return copy
