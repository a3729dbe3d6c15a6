"""One training without a service, as a Ray job runs it.

The environment says what to train, so that no value passes through a shell:
`TRAINING_DATASET_URI`, `TRAINING_EPOCHS`, `TRAINING_PARAMETERS` (a JSON object of further fields of
`TrainingSpec`), `TRAINING_RESULTS_URI`, where the model goes, and `TRAINING_REPORT_URI`, where its report
goes, if anywhere: a path, `file://`, `s3://` or `gs://`.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from flyte_connectors import endpoints

from flyte_connectors_training_service import object_stores, worker
from flyte_connectors_training_service.job_files import JobFiles
from flyte_connectors_training_service.sources import DatasetError, Sources
from flyte_connectors_training_service.training_spec import (
    TrainingSpec,
    TrainingSpecError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def train_once(environment: Mapping[str, str]) -> int:
    """Train and store the model; answers the exit status. Log lines go to standard output."""
    worker.log_to(logging.StreamHandler(sys.stdout))
    try:
        spec = _spec(environment)
        results_uri = environment["TRAINING_RESULTS_URI"]
        with tempfile.TemporaryDirectory() as directory:
            files = JobFiles(Path(directory))
            with endpoints.unrestricted():  # the job is its user's own
                worker.train(files, spec, Sources(roots=None))
            _store(files.model, results_uri)
            if report_uri := environment.get("TRAINING_REPORT_URI"):
                # The numbers by name, too: what declared outputs are read from.
                report = {**json.loads(files.report.read_text()), "scores": files.scores()}
                files.report.write_text(json.dumps(report))
                _store(files.report, report_uri)
    except KeyError as error:
        print(f"flyte-model-training: {error.args[0]} is not set", file=sys.stderr)  # noqa: T201
        return 2
    except (DatasetError, TrainingSpecError, OSError, ValueError) as error:
        print(f"flyte-model-training: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _spec(environment: Mapping[str, str]) -> TrainingSpec:
    parameters = json.loads(environment.get("TRAINING_PARAMETERS", "{}"))
    return TrainingSpec.from_json(
        {
            **parameters,
            "dataset_uri": environment["TRAINING_DATASET_URI"],
            "epochs": int(environment["TRAINING_EPOCHS"]),
        }
    )


def _store(model: Path, uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme in object_stores.SCHEMES:
        with (
            model.open("rb") as source,
            object_stores.store(uri).open_output_stream(object_stores.key(uri)) as target,
        ):
            shutil.copyfileobj(source, target)
        return
    if parts.scheme not in ("", "file"):
        message = f"TRAINING_RESULTS_URI {uri!r}: the model goes to a path, file://, s3:// or gs://"
        raise ValueError(message)
    path = Path(unquote(parts.path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # A job that was started twice writes here twice: each has its own file, and the last one wins.
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        shutil.copyfile(model, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
