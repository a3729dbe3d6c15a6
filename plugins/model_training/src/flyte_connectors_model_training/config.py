"""The configuration of a training task, and its form in the task template's `custom` and in the job's meta.

Only what differs from the defaults travels, so that a plain task is `{"endpoint": ...}`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from flyte_connectors.authoring import read_custom, write_custom
from flyte_connectors.errors import InvalidRequestError
from google.protobuf.struct_pb2 import Struct

from flyte_connectors_model_training.training_api import TrainingApi

CREDENTIAL = "training_credential"
"""The keyword argument in which the connector receives the secret."""

DATASET = "dataset_uri"
"""The input that is the data set, unless a task names another one."""

AUTH_SCHEMES = ("bearer", "basic", "header")
_SUBMITTED = ("fields", "hyperparameters", "chosen_job_id")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


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

    def check(self) -> None:
        """Check that it is one of HTTP. Raises InvalidRequestError."""
        if self.scheme not in AUTH_SCHEMES:
            _refuse("custom.auth.scheme", f"{self.scheme!r} is not one of {AUTH_SCHEMES}")
        if self.scheme != "bearer" and not self.name:
            _refuse("custom.auth.name", f"{self.scheme} needs the name of a user or header")
        if self.scheme == "header" and not _HEADER.fullmatch(self.name):
            _refuse("custom.auth.name", f"{self.name[:80]!r} is not the name of a header")


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
        num_cpus: CPUs that the entrypoint needs, beside what it asks Ray for itself.
        num_gpus: GPUs that it needs.
        memory: Bytes that it needs.
        resources: Other resources of Ray that it needs, by name.
        metadata: Texts by name, which Ray shows with the job.
    """

    address: str
    entrypoint: str = "flyte-model-training train"
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    results_prefix: str = ""
    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Check that what it needs are quantities. Raises InvalidRequestError."""
        needed = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, "memory": self.memory}
        needed |= {f"resources.{name}": value for name, value in self.resources.items()}
        for name, value in needed.items():
            if value is not None and not 0 <= value < math.inf:
                _refuse(f"custom.ray.{name}", f"must be a number from 0, got {value!r}")

    def results_uri(self, job_id: str, output_prefix: str) -> str:
        """Answer where the model of a job goes.

        Raises:
            InvalidRequestError: No prefix is known or writable.
        """
        prefix = self.results_prefix or output_prefix
        if not prefix:
            _refuse("custom.ray.results_prefix", "missing, and the task has no output prefix")
        if prefix.lower().startswith(("http:", "https:")):
            _refuse("custom.ray.results_prefix", "must be where files can be written, such as s3://")
        return f"{prefix.rstrip('/')}/{job_id}/model.skops"


@dataclass(frozen=True)
class MlflowConfig:
    """Tracks a training on an MLflow server: parameters, the metrics of each epoch, the model.

    The training service does that, so it needs the extra `mlflow`.

    Args:
        tracking_uri: The server; the training service's own (`MLFLOW_TRACKING_URI`) if empty.
        experiment: Name of the experiment, which is made if there is none; `Default` if empty.
        run_name: Name of the run; the job's id if empty.
        registered_model: Registers the model as a new version under this name, if any.
    """

    tracking_uri: str = ""
    experiment: str = ""
    run_name: str = ""
    registered_model: str = ""


@dataclass(frozen=True)
class Sweep:
    """Trains once for each combination of values, and answers with the best model.

    Args:
        values: Values to try by field of the submission, such as `hyperparameters.alpha` or `seed`.
        samples: How many combinations to try, drawn at random; 0 for all.
    """

    values: Mapping[str, Any]
    samples: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """All of a training task but its inputs.

    Args:
        endpoint: Where jobs are submitted (POST); empty with `ray`.
        api: The API of that service.
        ray: Trains on Ray instead.
        parameters: Further fields of the submission, such as `label` or `seed`.
        auth: How to authenticate.
        dataset: Name of the input that is the data set.
        sweep: Trains many times.
        mlflow: Tracks the training.
        copy_outputs: Whether files are copied from the service into the task's storage.
    """

    endpoint: str = ""
    api: TrainingApi = field(default_factory=TrainingApi)
    ray: RayTrainConfig | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    auth: Auth | None = None
    dataset: str = DATASET
    sweep: Sweep | None = None
    mlflow: MlflowConfig | None = None
    copy_outputs: bool = True

    def submitted_parameters(self) -> dict[str, Any]:
        """Answer the fields of the submission that do not depend on the inputs."""
        fields = dict(self.parameters)
        if self.sweep:
            drawn = {"samples": self.sweep.samples} if self.sweep.samples else {}
            fields["sweep"] = {"values": dict(self.sweep.values), **drawn}
        if self.mlflow:
            fields["mlflow"] = {name: text for name, text in dataclasses.asdict(self.mlflow).items() if text}
        return fields

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
        for name in ("endpoint", "parameters", "dataset", "sweep", "mlflow", "copy_outputs"):
            kept.pop(name, None)
        if "api" in kept:
            # What a submission needs, and what the outputs were found by.
            for name in (*_SUBMITTED, "report", "scores", "outputs"):
                kept["api"].pop(name, None)
            if not kept["api"]:
                del kept["api"]
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
        if self.auth:
            self.auth.check()
        if self.ray:
            self.ray.check()
        if self.ray and self.sweep:
            _refuse("custom.sweep", "a Ray job trains once: use a training service")
        if self.sweep and not self.sweep.values:
            _refuse("custom.sweep.values", "must be an object of lists by the name of a field")
        self.api.check()


def _refuse(name: str, message: str) -> NoReturn:
    raise InvalidRequestError(message, field=name)
