"""Sweeps: many trainings from one submission, and the best of them.

    {"dataset_uri": ..., "epochs": 20,
     "sweep": {"values": {"hyperparameters.alpha": [0.0001, 0.001], "seed": [0, 1, 2]}, "samples": 4}}

trains every combination of the values, or `samples` of them drawn at random. The best trial is the one with the
highest validation score of the epoch whose model was kept.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flyte_connectors_training_service.estimators import CLASSIFICATION
from flyte_connectors_training_service.training_spec import TrainingSpec, TrainingSpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flyte_connectors_training_service.job_files import JobFiles
    from flyte_connectors_training_service.job_store import Job

MAX_TRIALS = 200
_FIELDS = frozenset({"values", "samples"})
# What all trials share: their scores would not compare otherwise.
_FIXED = frozenset({"dataset_uri", "label", "mlflow", "exports", "validation_fraction"})


def trials_of(job_id: str, spec: TrainingSpec, sweep: object) -> dict[str, TrainingSpec]:
    """Make the trials of a sweep, by id.

    Args:
        job_id: The sweep.
        spec: What its trials have in common.
        sweep: What it varies, as it was submitted.

    Raises:
        TrainingSpecError: It is not a sweep, or a trial's spec is wrong; the text names the field.
    """
    if not isinstance(sweep, dict) or not set(sweep) <= _FIELDS or "values" not in sweep:
        message = "sweep must be an object with values, and samples if not all are to be tried"
        raise TrainingSpecError(message)
    values = _checked_values(sweep["values"], spec)
    combinations = list(itertools.islice(itertools.product(*values.values()), 100_000))
    samples = sweep.get("samples")
    if samples is not None:
        if not isinstance(samples, int) or isinstance(samples, bool) or samples < 1:
            message = f"sweep.samples must be an integer from 1, got {samples!r}"
            raise TrainingSpecError(message)
        drawn = random.Random(spec.seed)  # noqa: S311, the same seed draws the same trials
        combinations = drawn.sample(combinations, min(samples, len(combinations)))
    if len(combinations) > MAX_TRIALS:
        message = f"sweep has {len(combinations)} trials, at most {MAX_TRIALS}: set samples"
        raise TrainingSpecError(message)
    stem = hashlib.sha256(job_id.encode()).hexdigest()[:16]
    return {
        f"{stem}-{number}": _varied(spec, dict(zip(values, chosen, strict=True)))
        for number, chosen in enumerate(combinations)
    }


def values_of(trial: Job, sweep: Job) -> dict[str, Any]:
    """What a trial has that others have not: the values of the fields that the sweep varies."""
    fields = asdict(trial.spec)
    return {name: _at(fields, name) for name in (sweep.sweep or {})["values"]}


def score_of(trial: Job, files: JobFiles) -> float | None:
    """The validation score of a trial, None before it has one."""
    name = "accuracy" if trial.spec.how.problem == CLASSIFICATION else "r2"
    return (files.scores() or {}).get(f"validation_{name}")


def best(trials: Sequence[Job], files: Callable[[str], JobFiles]) -> Job | None:
    """The finished trial with the highest score, the first of equal ones."""
    scored = [
        (score, -number, trial)
        for number, trial in enumerate(trials)
        if trial.status == "finished" and (score := score_of(trial, files(trial.job_id))) is not None
    ]
    return max(scored, key=lambda one: one[:2])[2] if scored else None


def _checked_values(values: object, spec: TrainingSpec) -> dict[str, list[Any]]:
    if not isinstance(values, dict) or not values:
        message = "sweep.values must be an object of lists by the name of a field"
        raise TrainingSpecError(message)
    for name, tried in values.items():
        field = name.partition(".")[0]
        if field not in asdict(spec) or field in _FIXED or ("." in name and field != "hyperparameters"):
            message = f"sweep.values: {name[:80]!r} can't be varied; hyperparameters.NAME can, or seed"
            raise TrainingSpecError(message)
        if not isinstance(tried, list) or not tried:
            message = f"sweep.values.{name} must be a list of values to try, got {json.dumps(tried)[:80]}"
            raise TrainingSpecError(message)
    return values


def _varied(spec: TrainingSpec, chosen: dict[str, Any]) -> TrainingSpec:
    fields = asdict(spec)
    for name, value in chosen.items():
        field, _, inner = name.partition(".")
        if inner:
            fields[field] = {**fields[field], inner: value}
        else:
            fields[field] = value
    return TrainingSpec.from_json(
        {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    )


def _at(fields: dict[str, Any], name: str) -> Any:
    field, _, inner = name.partition(".")
    return fields[field].get(inner) if inner else fields[field]
