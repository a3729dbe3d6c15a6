"""The configuration of a training task, and its form in the task template's `custom` and in the job's meta.

Only what differs from the defaults travels, so that a plain task is `{"endpoint": ...}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from flyte_connectors.authoring import read_custom, write_custom
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from google.protobuf.struct_pb2 import Struct

CREDENTIAL = "training_credential"
"""The keyword argument in which the connector receives the secret."""

AUTH_SCHEMES = ("bearer", "basic", "header")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[\w.~:{}-]+)*/?", re.ASCII)
_PHASE_NAMES = frozenset(phase.name for phase in Phase) - {Phase.UNDEFINED.name}


@dataclass(frozen=True)
class Auth:
    """How requests authenticate.

    Args:
        secret: Name of the secret that holds the token, password or key.
        scheme: `bearer` (`Authorization: Bearer SECRET`, RFC 6750), `basic` (RFC 7617), or
            `header` (a custom header).
        name: For `basic` the user's name, for `header` the header's.
    """

    secret: str
    scheme: str = "bearer"
    name: str = ""


@dataclass(frozen=True)
class TrainingApi:
    """The API of an HTTP training service; the defaults are those of the reference service.

    Fields of replies are named by dotted paths, such as `job.state`. An empty name means that the service
    does not have it.

    Args:
        job_id: The job's id, in the reply to a submission.
        chosen_job_id: Where a submission carries an id of the client's choice. A service that takes
            one knows a repeated submission; without one, a submission whose reply was lost is not
            repeated.
        status: The job's status, a word.
        message: A text about the status.
        results: URI of the trained model, once there is one.
        dashboard: URL of a page about the job.
        epoch: Epochs trained so far; `epochs` all of them, `loss` the current loss.
        job_path: Appended to the endpoint: where a job is read (GET) and cancelled (DELETE).
        logs_path: Where its log is paged: `?offset=N&limit=M` answers `lines`, `next_offset` and
            `complete`.
        metrics_path: Where its metrics are: `epochs`, a list of objects of numbers with the time
            `ended_at` (seconds since 1970).
        statuses: Name of a `Phase` for words that `KNOWN_STATUSES` lacks, or has otherwise.
    """

    job_id: str = "job_id"
    chosen_job_id: str = "job_id"
    status: str = "status"
    message: str = "message"
    results: str = "results"
    dashboard: str = "dashboard"
    epoch: str = "epoch"
    epochs: str = "epochs"
    loss: str = "metrics.loss"
    job_path: str = "/{job_id}"
    logs_path: str = "/{job_id}/logs"
    metrics_path: str = "/{job_id}/metrics"
    statuses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RayTrainConfig:
    """Trains as a Ray job (https://docs.ray.io/en/latest/cluster/running-applications/job-submission).

    The entrypoint finds the inputs in environment variables: `TRAINING_EPOCHS`,
    `TRAINING_DATASET_URI`, `TRAINING_PARAMETERS` (JSON) and `TRAINING_RESULTS_URI`, where it writes
    the model. The default one trains as the reference service does.

    Args:
        address: URL of Ray's dashboard, such as `http://ray-head:8265`.
        entrypoint: The command that Ray runs in a shell.
        runtime_env: Ray's description of the job's environment (`pip`, `env_vars`, ...).
        results_prefix: URI under which models are written; the task's output prefix if empty.
    """

    address: str
    entrypoint: str = "flyte-model-training train"
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    results_prefix: str = ""

    def results_uri(self, job_id: str, output_prefix: str) -> str:
        """Answer where the model of a job goes.

        Raises:
            InvalidRequestError: No prefix is known or writable.
        """
        prefix = self.results_prefix or output_prefix
        if not prefix:
            _refuse("custom.ray.results_prefix", "missing, and the task has no output prefix")
        if prefix.lower().startswith(("http:", "https:")):
            _refuse(
                "custom.ray.results_prefix", "must be where files can be written, such as s3://"
            )
        return f"{prefix.rstrip('/')}/{job_id}/model.skops"


@dataclass(frozen=True)
class TrainingConfig:
    """All of a training task but its inputs.

    Args:
        endpoint: Where jobs are submitted (POST); empty with `ray`.
        api: The API of that service.
        ray: Trains on Ray instead.
        parameters: Further fields of the submission, such as `label` or `seed`.
        auth: How to authenticate.
    """

    endpoint: str = ""
    api: TrainingApi = field(default_factory=TrainingApi)
    ray: RayTrainConfig | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    auth: Auth | None = None

    def to_custom(self) -> dict[str, Any]:
        """Answer the task's `custom`.

        Raises:
            InvalidRequestError: A field is wrong; the error names it.
        """
        custom = write_custom(self)
        if self.auth:
            custom["secrets"] = {CREDENTIAL: self.auth.secret}
        return custom

    def kept(self) -> dict[str, Any]:
        """Answer what later calls need: neither what only a submission does, nor the endpoint."""
        kept = write_custom(self)
        kept.pop("endpoint", None)
        kept.pop("parameters", None)
        if self.ray:
            kept["ray"] = {"address": self.ray.address}
        return kept

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any], endpoint: str) -> TrainingConfig:
        """Read what `kept` gave.

        Raises:
            InvalidRequestError: A field is unknown or wrong; the error names it.
        """
        fields = Struct()
        try:
            fields.update({**kept, "endpoint": endpoint} if endpoint else dict(kept))
        except (ValueError, TypeError) as error:
            _refuse("resource_meta", f"its configuration can't be read: {error}")
        return read_custom(cls, fields)

    @classmethod
    def from_custom(cls, custom: Struct) -> TrainingConfig:
        """Read what `to_custom` wrote, or a user wrote by hand.

        Raises:
            InvalidRequestError: A field is unknown or wrong; the error names it.
        """
        return read_custom(cls, custom)

    def __post_init__(self) -> None:
        if bool(self.endpoint) == bool(self.ray):
            _refuse("custom.endpoint", "give the URL of a training service, or else custom.ray")
        if self.auth and self.auth.scheme not in AUTH_SCHEMES:
            _refuse("custom.auth.scheme", f"{self.auth.scheme!r} is not one of {AUTH_SCHEMES}")
        if self.auth and self.auth.scheme != "bearer" and not self.auth.name:
            _refuse("custom.auth.name", f"{self.auth.scheme} needs the name of a user or header")
        if self.auth and self.auth.scheme == "header" and not _HEADER.fullmatch(self.auth.name):
            _refuse("custom.auth.name", f"{self.auth.name[:80]!r} is not the name of a header")
        for name in ("job_path", "logs_path", "metrics_path"):
            _check_path(f"custom.api.{name}", getattr(self.api, name))
        if not self.api.job_path:
            _refuse("custom.api.job_path", "missing: set the path of a job, such as /{job_id}")
        for word, phase in self.api.statuses.items():
            if phase not in _PHASE_NAMES:
                known = ", ".join(sorted(_PHASE_NAMES))
                _refuse(
                    f"custom.api.statuses.{word}", f"{phase!r} is not a phase: use one of {known}"
                )


def _check_path(name: str, path: str) -> None:
    if not _PATH.fullmatch(path):
        rule = "must be a path such as /{job_id}/logs, of letters, digits and -._~:"
        _refuse(name, f"{rule}, got {path[:80]!r}")


def _refuse(name: str, message: str) -> NoReturn:
    raise InvalidRequestError(message, field=name)
