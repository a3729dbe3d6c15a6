"""What a client asks the service to train."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_EPOCHS = 10_000
DATASET_SCHEMES = ("file", "http", "https", "s3")


class TrainingSpecError(ValueError):
    """A field of the request is missing or unusable; the text names it."""


@dataclass(frozen=True)
class TrainingSpec:
    """A training, complete: the same spec gives the same model.

    Attributes:
        dataset_uri: A CSV or Parquet file with a header: `file://`, `http(s)://` or `s3://`.
        epochs: Passes over the training rows, 1 to `MAX_EPOCHS`.
        label: Name of the column to predict; all other columns are numeric features.
        validation_fraction: Share of the rows held out for validation, between 0 and 1.
        seed: Seed of the split and of each epoch's order.
    """

    dataset_uri: str
    epochs: int
    label: str = "label"
    validation_fraction: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            TrainingSpecError: Naming the field, its value and what it must be.
        """
        _require("dataset_uri", self.dataset_uri, _is_dataset_uri, _DATASET_URI_RULE)
        _require("epochs", self.epochs, _is_epoch_count, f"an integer from 1 to {MAX_EPOCHS}")
        _require("label", self.label, _is_name, "the name of a column")
        _require("validation_fraction", self.validation_fraction, _is_fraction, "between 0 and 1")
        _require("seed", self.seed, _is_seed, "an integer from 0 to 2**31")

    @classmethod
    def from_json(cls, body: object) -> TrainingSpec:
        """Read a decoded JSON body; raises TrainingSpecError where it is not a spec."""
        if not isinstance(body, dict):
            message = f"the body must be a JSON object, got {_shown(body)}"
            raise TrainingSpecError(message)
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(body) - known):
            message = f"unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}"
            raise TrainingSpecError(message)
        if missing := [name for name in ("dataset_uri", "epochs") if name not in body]:
            message = f"{missing[0]} is missing"
            raise TrainingSpecError(message)
        return cls(**body)

    def shown(self) -> dict[str, Any]:
        """Answer the fields for people: without the credentials that a URI may carry."""
        return {**dataclasses.asdict(self), "dataset_uri": without_credentials(self.dataset_uri)}


def without_credentials(uri: str) -> str:
    """Drop user, password and query (where signed URLs carry their signature)."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


_DATASET_URI_RULE = f"a URI with one of the schemes {', '.join(DATASET_SCHEMES)}"
_MAX_SEED = 2**31
_SHOWN_CHARACTERS = 80


def _require(field: str, value: object, is_valid: Callable[[object], bool], rule: str) -> None:
    if not is_valid(value):
        message = f"{field} must be {rule}, got {_shown(value)}"
        raise TrainingSpecError(message)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _is_dataset_uri(value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable():
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in DATASET_SCHEMES and bool(parts.path)


def _is_integer(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_epoch_count(value: object) -> bool:
    return _is_integer(value, 1, MAX_EPOCHS)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and bool(value)


def _is_fraction(value: object) -> bool:
    return isinstance(value, float) and 0.0 < value < 1.0


def _is_seed(value: object) -> bool:
    return _is_integer(value, 0, _MAX_SEED)
