"""What may be asked for, and how a wrong field is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flyte_connectors_training_service.training_spec import (
    TrainingSpec,
    TrainingSpecError,
    without_credentials,
)
from hypothesis import given
from hypothesis import strategies as st

GOOD = {"dataset_uri": "file:///data.csv", "epochs": 3}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", -1),
        ("epochs", 0),
        ("epochs", 10_001),
        ("epochs", True),
        ("epochs", 2.5),
        ("epochs", "3"),
        ("dataset_uri", ""),
        ("dataset_uri", "/data.csv"),
        ("dataset_uri", "ftp://host/data.csv"),
        ("dataset_uri", "http://[::1"),
        ("dataset_uri", "file:///a\nb"),
        ("label", ""),
        ("label", None),
        ("label", "\ud800"),
        ("validation_fraction", 0.0),
        ("validation_fraction", 1.0),
        ("validation_fraction", float("nan")),
        ("seed", -1),
        ("estimator", "SGDclassifier"),
        ("hyperparameters", [1]),
        ("features", "x"),
        ("categories", "x"),
        ("missing", "ignore"),
        ("class_weight", {"a": 0}),
        ("early_stopping", -1),
        ("min_delta", -0.1),
        ("keep", "first"),
        ("test_fraction", 1.0),
        ("folds", 1),
        ("importances", 1),
        ("exports", ["pickle"]),
        ("mlflow", {"password": "x"}),
    ],
)
def test_a_wrong_field_is_named_with_its_value(field: str, value: object) -> None:
    """Each field has its rule; the error names the field and shows the value."""
    with pytest.raises(TrainingSpecError, match=f"^{field} must be .*, got "):
        TrainingSpec.from_json({**GOOD, field: value})


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_missing_field_is_named(field: str) -> None:
    """Only the data set and the number of epochs have no default."""
    with pytest.raises(TrainingSpecError, match=f"^{field} is missing"):
        TrainingSpec.from_json({key: value for key, value in GOOD.items() if key != field})


def test_an_unknown_field_is_refused() -> None:
    """A misspelled option does not pass for its default."""
    with pytest.raises(TrainingSpecError, match="unknown field 'epoch'"):
        TrainingSpec.from_json({**GOOD, "epoch": 3})


@given(st.dictionaries(st.sampled_from(["dataset_uri", "epochs", "label", "seed"]), ANY_JSON))
def test_any_body_gives_a_spec_or_one_line(body: dict[str, Any]) -> None:
    """Whatever JSON arrives, the answer is a spec that JSON can carry, or one printable line."""
    try:
        spec = TrainingSpec.from_json(body)
    except TrainingSpecError as error:
        text = str(error)
    else:
        text = "none"
        assert TrainingSpec.from_json(json.loads(json.dumps(vars(spec)))) == spec
    assert text.isprintable()


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    """JSON that is not an object has no fields."""
    with pytest.raises(TrainingSpecError, match="must be a JSON object"):
        TrainingSpec.from_json(body)


def test_people_see_no_credentials_of_a_uri() -> None:
    """Neither user and password nor a signed query is shown."""
    uri = "https://user:secret@host:8443/data.csv?X-Amz-Signature=secret"
    assert without_credentials(uri) == "https://host:8443/data.csv"
    assert TrainingSpec(uri, 1).shown()["dataset_uri"] == "https://host:8443/data.csv"
