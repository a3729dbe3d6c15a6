"""The task's configuration on its way to the connector."""

from __future__ import annotations

from typing import Any

import pytest
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors_model_training.config import (
    CREDENTIAL,
    Auth,
    RayTrainConfig,
    TrainingConfig,
)
from flyte_connectors_model_training.training_api import TrainingApi
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
TABLES = st.dictionaries(TEXT, JSON, max_size=3)
SERVICES = st.builds(
    TrainingConfig,
    endpoint=st.just("https://host/jobs"),
    api=st.builds(
        TrainingApi,
        job_id=TEXT,
        job_path=st.from_regex(r"(/[a-z{}_:-]{1,9}){1,3}", fullmatch=True),
        statuses=st.dictionaries(TEXT, st.sampled_from(["RUNNING", "SUCCEEDED", "FAILED"])),
    ),
    parameters=TABLES,
    auth=st.none() | st.builds(Auth, TEXT, st.sampled_from(["basic", "header"]), st.just("name")),
)
CLUSTERS = st.builds(
    TrainingConfig,
    ray=st.builds(RayTrainConfig, st.just("http://ray:8265"), TEXT, TABLES, TEXT),
)


@given(SERVICES | CLUSTERS)
def test_a_configuration_comes_back_from_the_task(config: TrainingConfig) -> None:
    """Through the protobuf struct, whole numbers included."""
    custom = Struct()
    custom.update(config.to_custom())
    assert TrainingConfig.from_custom(custom) == config


def test_only_what_differs_travels() -> None:
    """A plain task's `custom` is the one of the documentation."""
    assert TrainingConfig("https://host/jobs").to_custom() == {"endpoint": "https://host/jobs"}
    config = TrainingConfig("https://host/jobs", api=TrainingApi(status="state"))
    assert config.to_custom()["api"] == {"status": "state"}


def test_a_secret_travels_by_name() -> None:
    """The core resolves `custom.secrets`."""
    custom = TrainingConfig("https://host/jobs", auth=Auth("token-of-mine")).to_custom()
    assert custom["secrets"] == {CREDENTIAL: "token-of-mine"}


@pytest.mark.parametrize(
    ("custom", "field"),
    [
        ({}, "custom.endpoint"),
        ({"endpoint": "http://h", "ray": {"address": "http://r"}}, "custom.endpoint"),
        ({"endpoint": 3}, "custom.endpoint"),
        ({"endpoint": "http://h", "epochs": 3}, "custom.epochs"),
        ({"endpoint": "http://h", "api": "x"}, "custom.api"),
        ({"endpoint": "http://h", "api": {"state": "x"}}, "custom.api.state"),
        ({"endpoint": "http://h", "api": {"status": 3}}, "custom.api.status"),
        ({"endpoint": "http://h", "api": {"statuses": {"ok": "DONE"}}}, "custom.api.statuses.ok"),
        ({"endpoint": "http://h", "parameters": []}, "custom.parameters"),
        ({"endpoint": "http://h", "auth": {}}, "custom.auth.secret"),
        ({"endpoint": "http://h", "auth": {"secret": "a", "scheme": "x"}}, "custom.auth.scheme"),
        ({"endpoint": "http://h", "auth": {"secret": "a", "scheme": "basic"}}, "custom.auth.name"),
        ({"ray": {}}, "custom.ray.address"),
        (
            {"endpoint": "http://h", "auth": {"secret": "a", "scheme": "header", "name": "X\n"}},
            "custom.auth.name",
        ),
        ({"endpoint": "http://h", "parameters": {"rate": float("nan")}}, "custom"),
        ({"endpoint": "http://h", "api": {"job_path": ""}}, "custom.api.job_path"),
        ({"endpoint": "http://h", "api": {"job_path": "/../{job_id}"}}, "custom.api.job_path"),
    ],
)
def test_a_wrong_field_is_named(custom: dict[str, Any], field: str) -> None:
    """Its path through the task's `custom`."""
    message = Struct()
    message.update(custom)
    with pytest.raises(InvalidRequestError) as caught:
        TrainingConfig.from_custom(message)
    assert caught.value.field == field
