"""What Slurm says and what it means, without a cluster: states, complaints, versions of its API, tokens."""

from __future__ import annotations

import base64
import http.server
import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors.errors import (
    AuthenticationError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)

from flyte_connectors_batch_job import BatchJobConfig
from flyte_connectors_batch_job.backends.indexes import ranges
from flyte_connectors_batch_job.backends.interface import JobRequest
from flyte_connectors_batch_job.backends.slurm import bodies, faults, states, verdict
from flyte_connectors_batch_job.backends.slurm.channel import Record
from flyte_connectors_batch_job.backends.slurm.files import LocalFiles
from flyte_connectors_batch_job.backends.slurm.folder import JobFolder
from flyte_connectors_batch_job.backends.slurm.order import order_of
from flyte_connectors_batch_job.backends.slurm.rest import Rest
from flyte_connectors_batch_job.backends.slurm.script import NO_FOLDER, batch_script, job_files
from flyte_connectors_batch_job.backends.slurm.settings import SlurmSettings, claims
from flyte_connectors_batch_job.backends.slurm.view import View

if TYPE_CHECKING:
    from pathlib import Path

# https://slurm.schedmd.com/job_state_codes.html, of Slurm 25.05
EVERY_STATE = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PENDING",
    "PREEMPTED",
    "RUNNING",
    "SUSPENDED",
    "TIMEOUT",
    "COMPLETING",
    "CONFIGURING",
    "EXPEDITING",
    "LAUNCH_FAILED",
    "POWER_UP_NODE",
    "RECONFIG_FAIL",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESIZING",
    "RESV_DEL_HOLD",
    "REVOKED",
    "SIGNALING",
    "SPECIAL_EXIT",
    "STAGE_OUT",
    "STOPPED",
    "UPDATE_DB",
]


@pytest.mark.parametrize("state", [*EVERY_STATE, "SOMETHING_NEW"])
def test_every_state_is_mapped(state: str) -> None:
    """Those that end a job are judged by its files; the others go on."""
    record = Record(7, None, "flyte-x", state)
    if state not in states.ENDED:
        assert states.under_way(record).phase not in TERMINAL_PHASES


@pytest.mark.parametrize(
    ("reason", "phase", "message"),
    [
        ("Resources", Phase.WAITING_FOR_RESOURCES, "waits for resources (Resources)"),
        ("Priority", Phase.QUEUED, "jobs of higher priority come first (Priority)"),
        ("QOSMaxJobsPerUserLimit", Phase.QUEUED, "waits: QOSMaxJobsPerUserLimit"),
        (
            "JobHeldAdmin",
            Phase.QUEUED,
            "held by an administrator, who has to release it (JobHeldAdmin)",
        ),
        ("Nodes required for job are DOWN", Phase.WAITING_FOR_RESOURCES, "waits: Nodes required"),
    ],
)
def test_a_pending_job_says_why(reason: str, phase: Phase, message: str) -> None:
    """In Slurm's word, explained where it is known."""
    state = states.under_way(Record(7, None, "flyte-x", "PENDING", reason))
    assert state.phase == phase
    assert (state.message or "").startswith(message)


@pytest.mark.parametrize(
    ("complaint", "kind", "text"),
    [
        ("sbatch: error: invalid partition specified: x", InvalidRequestError, "custom.queue: "),
        (
            "Invalid account or account/partition combination specified",
            InvalidRequestError,
            "custom.account: ",
        ),
        ("Invalid qos specification", InvalidRequestError, "custom.qos: "),
        ("Memory specification can not be satisfied", InvalidRequestError, "custom.memory: "),
        (
            "Requested node configuration is not available",
            InvalidRequestError,
            "custom: no node has",
        ),
        (
            "User's group not permitted to use this partition",
            PermissionDeniedError,
            "Slurm does not",
        ),
        (
            "Unable to contact slurm controller (connect failure)",
            ServiceUnavailableError,
            "Slurm's",
        ),
        ("Protocol authentication error", AuthenticationError, "Slurm refuses the service's"),
        (
            "Job violates accounting/QOS policy (job submit limit)",
            RateLimitedError,
            "Slurm accepts no",
        ),
        (
            "You must say which project pays",
            InvalidRequestError,
            "custom: Slurm refuses it: You must",
        ),
    ],
)
def test_a_complaint_becomes_an_error(complaint: str, kind: type[Exception], text: str) -> None:
    """Of its kind, with the field where it names one."""
    error = faults.error_of(complaint)
    assert type(error) is kind
    assert error.message.startswith(text)


FULL = BatchJobConfig(
    script="true", cpu=2, memory="1Gi", gpu=1, queue="main", account="physics", qos="high", nodes=2,
    tasks=4, array=3, priority=-5, timeout_seconds=90,
)  # fmt: skip


def test_a_submission_has_the_form_of_its_version() -> None:
    """Numbers, the environment and nodes were changed in version 39."""
    order = order_of("x", FULL, "#!/bin/sh", requeue=True)
    old, new = (bodies.submission(order, version)["job"] for version in (38, 41))
    common = {
        "hold": True,
        "partition": "main",
        "account": "physics",
        "qos": "high",
        "nice": 5,
        "array": "0-2",
    }
    assert {name: old[name] for name in common} == {name: new[name] for name in common} == common
    assert (old["time_limit"], old["memory_per_node"], old["nodes"]) == (3, 1024, [2, 2])
    assert (new["time_limit"], new["nodes"]) == ({"set": True, "number": 3}, "2")
    assert (old["gres"], new["tres_per_node"]) == ("gpu:1", "gres/gpu:1")
    assert new["environment"] == [f"PATH={old['environment']['PATH']}"]


@pytest.mark.parametrize(
    "job",
    [
        {"job_id": 7, "name": "flyte-x", "job_state": "FAILED", "array_job_id": 0, "array_task_id": None,
         "exit_code": 113 << 8},
        {"job_id": 7, "name": "flyte-x", "job_state": ["FAILED"],
         "array_job_id": {"set": True, "infinite": False, "number": 0}, "array_task_id": {"set": False},
         "exit_code": {"return_code": {"set": True, "number": 113}, "signal": {"id": {"set": False}}}},
    ],
    ids=["38", "41"],
)  # fmt: skip
def test_a_job_is_read_in_the_form_of_each_version(job: dict[str, Any]) -> None:
    """Both mean the same."""
    assert [*bodies.records(job)] == [Record(7, None, "flyte-x", "FAILED", exit_code=113)]


def test_indexes_that_wait_are_read_from_their_text() -> None:
    """Steps and limits included."""
    job = {
        "job_id": 7,
        "array_job_id": 7,
        "job_state": "PENDING",
        "array_task_string": "0-2,5,8-12:2%4",
    }
    assert [record.index for record in bodies.records(job)] == [0, 1, 2, 5, 8, 10, 12]
    assert ranges([0, 1, 2, 5, 8, 9]) == "0-2,5,8-9"


def test_a_token_says_whose_it_is_and_how_long_it_holds() -> None:
    """What is not a token says nothing."""
    payload = base64.urlsafe_b64encode(json.dumps({"sun": "me", "exp": 5}).encode()).decode().rstrip("=")
    assert claims(f"head.{payload}.sign") == ("me", 5.0)
    assert claims("no token") == claims("") == ("", float("inf"))


def test_a_job_that_is_not_the_owner_does_not_begin(tmp_path: Path) -> None:
    """Nor one that was cancelled, nor one whose folder is elsewhere."""
    request = JobRequest(BatchJobConfig(script='echo "$A"', env={"A": "it's\n$B"}), {}, [])
    folder = tmp_path / "x"
    folder.mkdir()
    for name, file in job_files("x", str(folder), request).items():
        (folder / name).write_bytes(file.content)
    script = batch_script(str(folder), request, "")

    def run(job_id: str, text: str = script) -> int:
        environment = {"SLURM_JOB_ID": job_id, "PATH": "/usr/bin:/bin"}
        return subprocess.run(["bash"], input=text, text=True, env=environment, check=False).returncode

    (folder / "owner-1").symlink_to("7")
    assert run("8") == 114
    assert run("7", script.replace(str(folder), str(tmp_path / "no"))) == 113
    assert run("7") == 0
    assert (folder / "0" / "stdout").read_text() == "it's\n$B\n"
    assert run("7") == 0
    assert (folder / "0" / "stdout").read_text() == "it's\n$B\n"
    (folder / "owner-2").symlink_to("9")
    assert run("9") == 114


def test_a_node_without_the_jobs_folder_is_named(tmp_path: Path) -> None:
    """Its script has written nothing, so its exit code says it."""
    (tmp_path / "x").mkdir()
    record = Record(7, None, "flyte-x", "FAILED", nodes="n1", exit_code=NO_FOLDER)
    state = verdict.judged(JobFolder(LocalFiles(str(tmp_path)), "x"), {}, 0, record)
    assert state is not None
    assert state.phase == Phase.FAILED
    assert state.message == "the jobs' folder is not on n1, or its user may not use it"


class SlowChannel:
    """Answers after a while, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_down = False

    def jobs(self) -> list[Record]:
        self.asked += 1
        time.sleep(0.2)
        if self.is_down:
            raise ServiceUnavailableError("down")
        return []


def test_many_threads_share_a_question() -> None:
    """And its failure."""
    channel = SlowChannel()
    view = View(channel, 5.0)  # type: ignore[arg-type]

    def all_at_once() -> list[Any]:
        found: list[Any] = []

        def ask() -> None:
            try:
                found.append(view.recent())
            except ServiceUnavailableError as error:
                found.append(error)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    assert len({seen.number for seen in all_at_once()}) == 1
    assert channel.asked == 1
    assert view.fresh().number == 2
    channel.is_down = True
    with pytest.raises(ServiceUnavailableError):
        view.fresh()
    assert all(isinstance(found, ServiceUnavailableError) for found in all_at_once())
    assert channel.asked == 3


class VagueSlurmrestd(http.server.BaseHTTPRequestHandler):
    """Says nothing but that there is an error, once it has answered so many questions."""

    answers = 1

    def do_GET(self) -> None:
        body: dict[str, Any] = {"paths": {"/slurm/v0.0.38/jobs/": {}}}
        if "openapi" not in self.path:
            body = {"jobs": [], "errors": []}
            if not self.answers:
                body["errors"] = [{"error": "Unspecified error", "error_number": -1}]
            type(self).answers = max(self.answers - 1, 0)
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None: ...


def test_a_token_that_was_accepted_is_not_blamed_for_an_error_without_a_reason() -> None:
    """A controller that is busy says the same as one that refuses a token."""
    VagueSlurmrestd.answers = 1
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), VagueSlurmrestd) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        rest = Rest(SlurmSettings(address=f"http://127.0.0.1:{server.server_port}"))
        assert rest.jobs() == []
        with pytest.raises(ServiceUnavailableError, match="gives no reason: Unspecified error"):
            rest.jobs()
        with pytest.raises(AuthenticationError, match="wants a token"):
            Rest(SlurmSettings(address=f"http://127.0.0.1:{server.server_port}")).jobs()
        server.shutdown()
