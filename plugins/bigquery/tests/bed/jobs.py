"""The server's jobs as the conformance kit steers them: they run until somebody ends them.

The server runs each query at once. The proxy shows its job as RUNNING until it is completed, failed or
cancelled, with BigQuery's own words for each.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flyte_connectors_bigquery.client import TimeLimit

from bed.proxy import Fault, Reply, answer, hang, reset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bed.proxy import Front

STATES = ("PENDING", "RUNNING", "DONE")
"""https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#jobstatus"""

PATIENT = TimeLimit(attempt=10.0, total=20.0)
"""For a server that shares a machine with many tests."""

IMPATIENT = TimeLimit(attempt=0.5, total=1.0)
"""For one that does not answer at all."""

REASONS = {
    401: "authError",
    403: "accessDenied",
    404: "notFound",
    429: "rateLimitExceeded",
    500: "backendError",
    502: "badGateway",
    503: "backendError",
    504: "backendError",
}
"""https://cloud.google.com/bigquery/docs/error-messages"""

_PYTHON: dict[str, Callable[[str], Any]] = {
    "INT64": int,
    "FLOAT64": float,
    "BOOL": {"true": True, "false": False}.__getitem__,
    "STRING": str,
}
_JOB = re.compile(r"/jobs/([^/?]+)(/cancel)?")


@dataclass
class _Shown:
    """How a job is shown."""

    inputs: dict[str, Any] = field(default_factory=dict)
    state: str = "RUNNING"
    remarks: list[dict[str, str]] = field(default_factory=list)
    error: dict[str, str] | None = None
    stages: list[str] = field(default_factory=list)

    def apply(self, job: dict[str, Any]) -> None:
        statistics = job["statistics"]
        statistics.setdefault("query", {})["queryPlan"] = [
            {"name": name, "id": str(number), "endMs": str(1000 + number), "status": "COMPLETE"}
            for number, name in enumerate(self.stages)
        ]
        if self.state != "DONE":
            statistics.pop("endTime", None)
            job["status"] = {"state": self.state, "errors": self.remarks}
        elif self.error:
            job["status"] = {"state": "DONE", "errorResult": self.error, "errors": [self.error]}


class Jobs:
    """Jobs, by BigQuery's id; all of a `Front`'s calls pass here.

    Attributes:
        limit: How long the connector may try.
    """

    def __init__(self, front: Front) -> None:
        self.limit = PATIENT
        self._shown: dict[str, _Shown] = {}
        self._forgotten: set[str] = set()
        self._trouble: Any = None
        self._loses_reply = False
        self._seconds_ahead = 0.0
        self._front = front
        front.faults.append(Fault(self._serve))

    def jobs(self) -> dict[str, bool]:
        return {job: shown.state != "DONE" for job, shown in self._shown.items()}

    def complete(self, job: str) -> None:
        self._shown[job].state = "DONE"

    def fail(self, job: str) -> None:
        self._end(job, "invalidQuery", "Division by zero: 1 / 0")

    def forget(self, job: str) -> None:
        self._forgotten.add(job)
        del self._shown[job]

    def go_away(self) -> None:
        self.limit = dataclasses.replace(self.limit, total=0.1)
        self._trouble = reset

    def hang(self) -> None:
        self.limit = IMPATIENT
        self._trouble = hang

    def states(self) -> Sequence[str]:
        return STATES

    def set_state(self, job: str, state: str) -> None:
        self._shown[job].state = state

    def lose_reply(self) -> None:
        self._loses_reply = True

    def refuse(self, status: int) -> None:
        self.limit = dataclasses.replace(self.limit, total=0.1)
        self._trouble = answer(status, REASONS[status], "because")

    def remark(self, job: str) -> None:
        remark = {"reason": "invalid", "message": "row 3 is skipped: no number in column n"}
        self._shown[job].remarks.append(remark)

    def inputs_of(self, job: str) -> dict[str, Any]:
        return self._shown[job].inputs

    def calls(self) -> int:
        return len(self._front.calls)

    def set_clock(self, seconds: float) -> None:
        self._seconds_ahead = seconds

    def environment(self) -> dict[str, str]:
        return {}  # the variables of the plugin are set for this process and its children

    def _end(self, job: str, reason: str, message: str) -> None:
        self._shown[job].error = {"reason": reason, "message": message}
        self._shown[job].state = "DONE"

    def _serve(self, handler: Any, forward: Callable[[], Reply]) -> Reply | None:
        if self._trouble is not None:
            reply: Reply | None = self._trouble(handler, forward)
            return reply
        named = _JOB.search(handler.path)
        if named is None:
            return self._accepted(forward())
        job, cancel = named.groups()
        if job in self._forgotten:
            missing = answer(404, "notFound", f"Not found: Job p1:US.{job}")
            return missing(handler, forward)
        reply = forward()
        if cancel and reply.status == 400:
            reply = forward()  # the emulator's job has ended meanwhile, and with it a connection
        if job not in self._shown:
            return reply
        if cancel and self._shown[job].state != "DONE":
            self._end(job, "stopped", "Job execution was cancelled: User requested cancellation")
        return self._rewritten(reply, job)

    def _accepted(self, reply: Reply) -> Reply | None:
        """The answer to an insert: remember its job."""
        if reply.status != 200:
            return reply
        body = json.loads(reply.body)
        dry_run = body.get("configuration", {}).get("dryRun")
        if body.get("kind") != "bigquery#job" or dry_run:
            return reply
        job = body["jobReference"]["jobId"]
        self._shown.setdefault(job, _Shown(_inputs(body["configuration"].get("query", {}))))
        if self._loses_reply:
            self._loses_reply = False
            return None
        return self._rewritten(reply, job)

    def _rewritten(self, reply: Reply, job: str) -> Reply:
        body = json.loads(reply.body)
        resource = body.get("job", body)  # the answer to a cancel holds the job
        if reply.status == 200 and "statistics" in resource:
            self._shown[job].apply(resource)
            for name in ("creationTime", "startTime", "endTime"):
                if name in resource["statistics"]:
                    time = float(resource["statistics"][name])
                    resource["statistics"][name] = str(int(time + 1000 * self._seconds_ahead))
        return Reply(reply.status, json.dumps(body).encode())


class QueryJobs(Jobs):
    """Queries: their plan can be written."""

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        """As stages of the plan, of which the log has a line each."""
        self._shown[job].stages += lines


def _inputs(query: dict[str, Any]) -> dict[str, Any]:
    """The values of a query's parameters."""
    return {
        parameter["name"]: _value(parameter["parameterType"], parameter["parameterValue"])
        for parameter in query.get("queryParameters", ())
    }


def _value(kind: dict[str, Any], value: dict[str, Any]) -> Any:
    if kind["type"] == "ARRAY":
        return [_value(kind["arrayType"], element) for element in value["arrayValues"]]
    return _PYTHON[kind["type"]](value["value"])
