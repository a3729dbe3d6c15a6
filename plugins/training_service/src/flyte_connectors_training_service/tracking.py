"""Tracks a training on an MLflow server: parameters, metrics of each epoch, the model and its report.

Needs the extra `mlflow`. A server that fails costs the tracking and never the training: the log says so.
"""

# MLflow is optional, and not installed where types are checked.
# pyright: reportMissingImports=false

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flyte_connectors import endpoints

from flyte_connectors_training_service.sources import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sklearn.pipeline import Pipeline

    from flyte_connectors_training_service.job_files import JobFiles
    from flyte_connectors_training_service.training_spec import TrainingSpec

_JOB_TAG = "flyte_connectors.job"
_URI_VARIABLE = "MLFLOW_TRACKING_URI"
_CREDENTIALS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME")
_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_MAX_PARAMETER_CHARACTERS = 500
_log = logging.getLogger("training")


class Run:
    """A run that is not tracked: does nothing."""

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Log the metrics of an epoch."""

    def finish(self, files: JobFiles, model: Pipeline, scores: Mapping[str, float]) -> None:
        """Log the model, its report and its scores."""

    def end(self, status: str) -> None:
        """Set the run's status."""


@contextmanager
def tracked(files: JobFiles, spec: TrainingSpec) -> Iterator[Run]:
    """Track a training, if its spec asks for that; the run ends with the block.

    Raises:
        DatasetError: The tracking server is not allowed.
    """
    run = Run() if spec.mlflow is None else _started(files, spec, spec.mlflow)
    try:
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")


def checked_tracking_uri(settings: Mapping[str, str]) -> str:
    """Answer the URI of the tracking server.

    The operator's own (`MLFLOW_TRACKING_URI`) may have credentials; another one may be named where the
    service has none for it.

    Raises:
        DatasetError: There is none, or it may not be called.
    """
    own = os.environ.get(_URI_VARIABLE)
    uri = settings.get("tracking_uri") or own
    if not uri:
        message = f"mlflow.tracking_uri is missing, and the service has no {_URI_VARIABLE}"
        raise DatasetError(message)
    if uri != own:
        has_credentials = any(name in os.environ for name in _CREDENTIALS)
        try:
            endpoints.checked_endpoint(uri, "mlflow.tracking_uri", with_credentials=has_credentials)
        except Exception as error:
            raise DatasetError(str(error)) from error
    return uri


def _started(files: JobFiles, spec: TrainingSpec, settings: Mapping[str, str]) -> Run:
    uri = checked_tracking_uri(settings)
    for name, value in _LIMITS.items():
        os.environ.setdefault(name, value)
    try:
        return _MlflowRun(uri, files, spec, settings)
    except Exception as error:  # mlflow raises errors of many libraries
        _log.warning("not tracked: MLflow failed with %s", type(error).__name__)
        return Run()


class _MlflowRun(Run):
    """A run on an MLflow server, found again by a tag when the training resumes."""

    def __init__(self, uri: str, files: JobFiles, spec: TrainingSpec, settings: Mapping[str, str]) -> None:
        from mlflow import MlflowClient

        self._uri, self._settings = uri, settings
        self._client = MlflowClient(tracking_uri=uri)
        job = files.directory.name
        self._experiment = self._experiment_id(settings.get("experiment", "Default"))
        found = self._client.search_runs([self._experiment], f"tags.`{_JOB_TAG}` = '{job}'", max_results=1)
        if found:
            self._run_id = found[0].info.run_id
            history = self._client.get_metric_history(self._run_id, "loss")
            self._logged = max((metric.step for metric in history), default=0)
        else:
            name = settings.get("run_name", job)
            made = self._client.create_run(self._experiment, run_name=name, tags={_JOB_TAG: job})
            self._run_id, self._logged = made.info.run_id, 0
            self._log_parameters(spec)
        files.write_tracking(self._page())
        self._failed = False

    def _experiment_id(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name))
            except MlflowException:  # another training was faster
                found = self._client.get_experiment_by_name(name)
        assert found
        return str(found.experiment_id)

    def _log_parameters(self, spec: TrainingSpec) -> None:
        from mlflow.entities import Param

        fields = spec.shown()
        fields |= {f"hyperparameters.{name}": value for name, value in spec.hyperparameters.items()}
        left_out = ("hyperparameters", "mlflow")
        parameters = [
            Param(name, str(value)[:_MAX_PARAMETER_CHARACTERS])
            for name, value in fields.items()
            if name not in left_out
        ]
        self._client.log_batch(self._run_id, params=parameters)

    def _page(self) -> str:
        return f"{self._uri.rstrip('/')}/#/experiments/{self._experiment}/runs/{self._run_id}"

    def log(self, metrics: Mapping[str, Any]) -> None:
        from mlflow.entities import Metric

        step = int(metrics["epoch"])
        if step <= self._logged or self._failed:
            return
        milliseconds = int(metrics["ended_at"] * 1000)
        values = [
            Metric(name, value, milliseconds, step)
            for name, value in metrics.items()
            if name not in {"epoch", "ended_at"}
        ]
        self._try("metrics", lambda: self._client.log_batch(self._run_id, metrics=values))

    def finish(self, files: JobFiles, model: Pipeline, scores: Mapping[str, float]) -> None:
        def log_all() -> None:
            for name, value in scores.items():
                self._client.log_metric(self._run_id, f"final_{name}", value)
            self._client.log_artifact(self._run_id, str(files.report))
            self._client.log_artifact(self._run_id, str(files.model))
            self._log_model(model)

        self._try("the model", log_all)

    def _log_model(self, model: Pipeline) -> None:
        import mlflow
        import mlflow.sklearn
        import sklearn

        mlflow.set_tracking_uri(self._uri)
        with mlflow.start_run(run_id=self._run_id):
            mlflow.sklearn.log_model(
                model,
                name="model",
                registered_model_name=self._settings.get("registered_model"),
                # Otherwise mlflow starts a process that finds them out.
                pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
            )

    def end(self, status: str) -> None:
        self._try("the end", lambda: self._client.set_terminated(self._run_id, status=status), last=True)

    def _try(self, what: str, call: Any, *, last: bool = False) -> None:
        if self._failed and not last:
            return
        try:
            call()
        except Exception as error:  # mlflow raises errors of many libraries
            self._failed = True
            _log.warning("%s not tracked: MLflow failed with %s", what, type(error).__name__)
