"""The description of an HTTP training service: how services of different APIs are driven without code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError

CANCEL_METHODS = ("DELETE", "POST", "PUT", "PATCH")
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~:{}-]+)*/?", re.ASCII)
_PHASE_NAMES = frozenset(phase.name for phase in Phase) - {Phase.UNDEFINED.name}


@dataclass(frozen=True)
class TrainingApi:
    """The API of an HTTP training service; the defaults are those of the reference service.

    Fields of submissions and replies are named by dotted paths, such as `job.state`. An empty name means that
    the service does not have it.

    Args:
        fields: Where a submission carries the inputs, by their names. Without an entry, `epochs` and the data
            set (as `dataset_uri`) are fields of that name, and every other input is a hyperparameter.
        hyperparameters: The object of hyperparameters in a submission; empty puts each of them beside the
            other fields.
        job_id: The job's id, in the reply to a submission.
        chosen_job_id: Where a submission carries an id of the client's choice. A service that takes
            one knows a repeated submission; without one, a submission whose reply was lost is not
            repeated.
        status: The job's status, a word.
        message: A text about the status.
        results: URI of the trained model, once there is one.
        report: URI of a report on it.
        scores: An object of numbers: where declared outputs of type float are found by name.
        outputs: Where other declared outputs are, by their names.
        tracking: URL of the job's page on a tracking server.
        dashboard: URL of a page about the job.
        epoch: Epochs trained so far; `epochs` all of them, `loss` the current loss.
        listed: The list of jobs in the reply to a GET at the endpoint, so that many jobs are polled with one request;
            empty if there is none. A job that is not in it is read by itself.
        job_path: Appended to the endpoint: where a job is read (GET).
        cancel_path: Where it is cancelled; `job_path` if empty.
        cancel_method: With which method: `DELETE`, `POST`, `PUT` or `PATCH`.
        cancel_body: What a request to cancel carries, if anything.
        logs_path: Where its log is paged.
        logs_query: The parameters of a page. `{offset}` stands for the position of a line or byte, or
            `{token}` for what the last page named as the next one; `{limit}` for the greatest number of lines.
        logs_lines: The lines of a page: a list, or one text.
        logs_text: The text of a line, where lines are objects.
        logs_next: The next page's offset or token.
        logs_complete: Whether no line will follow; if empty, none will once the job has ended.
        metrics_path: Where its metrics are.
        metrics_epochs: The metrics of each epoch: a list of objects of numbers.
        metrics_time: When an epoch ended, in seconds since 1970: a field of such an object.
        statuses: Name of a `Phase` for words that `KNOWN_STATUSES` lacks, or has otherwise.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    hyperparameters: str = "hyperparameters"
    job_id: str = "job_id"
    chosen_job_id: str = "job_id"
    status: str = "status"
    message: str = "message"
    results: str = "results"
    report: str = "report"
    scores: str = "scores"
    outputs: Mapping[str, str] = field(default_factory=lambda: {"onnx": "exports.onnx"})
    tracking: str = "tracking"
    dashboard: str = "dashboard"
    epoch: str = "epoch"
    epochs: str = "epochs"
    loss: str = "metrics.loss"
    listed: str = "jobs"
    job_path: str = "/{job_id}"
    cancel_path: str = ""
    cancel_method: str = "DELETE"
    cancel_body: Mapping[str, Any] | None = None
    logs_path: str = "/{job_id}/logs"
    logs_query: Mapping[str, str] = field(default_factory=lambda: {"offset": "{offset}", "limit": "{limit}"})
    logs_lines: str = "lines"
    logs_text: str = ""
    logs_next: str = "next_offset"
    logs_complete: str = "complete"
    metrics_path: str = "/{job_id}/metrics"
    metrics_epochs: str = "epochs"
    metrics_time: str = "ended_at"
    statuses: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Check paths, methods and phases. Raises InvalidRequestError."""
        if self.cancel_method not in CANCEL_METHODS:
            known = ", ".join(CANCEL_METHODS)
            _refuse("custom.api.cancel_method", f"{self.cancel_method[:40]!r} is not one of {known}")
        for name in ("job_path", "cancel_path", "logs_path", "metrics_path"):
            _check_path(f"custom.api.{name}", getattr(self, name))
        if not self.job_path:
            _refuse("custom.api.job_path", "missing: set the path of a job, such as /{job_id}")
        for word, phase in self.statuses.items():
            if phase not in _PHASE_NAMES:
                known = ", ".join(sorted(_PHASE_NAMES))
                _refuse(f"custom.api.statuses.{word}", f"{phase!r} is not a phase: use one of {known}")


def _check_path(name: str, path: str) -> None:
    if not _PATH.fullmatch(path):
        rule = "must be a path such as /{job_id}/logs, of letters, digits and -._~:"
        _refuse(name, f"{rule}, got {path[:80]!r}")


def _refuse(name: str, message: str) -> NoReturn:
    raise InvalidRequestError(message, field=name)
