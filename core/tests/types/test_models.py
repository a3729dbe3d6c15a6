"""Pydantic models, validated by their own rules."""

# All spellings of types and moments are tested on purpose.
# ruff: noqa: RUF012

from __future__ import annotations

import enum
import math
from typing import Annotated

import pytest
from flyte_connectors.io import DataFrame, File
from flyte_connectors.types import ConversionError, codec_for_literal_type, codec_for_type

pydantic = pytest.importorskip("pydantic")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(pydantic.BaseModel):
    x: Annotated[int, pydantic.Field(ge=0)]
    y: float = 0.0


class Job(pydantic.BaseModel):
    name: str
    where: Point
    route: list[Point] = []
    color: Color = Color.RED
    script: File | None = None
    table: DataFrame | None = None


JOB = Job(
    name="a",
    where=Point(x=1),
    route=[Point(x=2)],
    color=Color.BLUE,
    script=File(path="s3://b/x"),
    table=DataFrame(uri="s3://b/t", format="parquet"),
)


def test_a_model_comes_back() -> None:
    """With nested models, enums and references."""
    codec = codec_for_type(Job)
    assert codec.decode(codec.encode(JOB)) == JOB


def test_a_dict_that_the_model_accepts_is_encoded() -> None:
    """With the model's defaults filled in."""
    codec = codec_for_type(Job)
    encoded = codec.encode({"name": "a", "where": {"x": 1}})
    assert codec.decode(encoded) == Job(name="a", where=Point(x=1))


def test_nan_travels_in_a_model() -> None:
    """The official SDK writes null there and can't read it back."""
    codec = codec_for_type(Point)
    assert math.isnan(codec.decode(codec.encode(Point(x=1, y=math.nan))).y)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"name": "a", "where": {"x": -1}}, ".where.x: Input should be greater than or equal to 0"),
        ({"where": {"x": 1}}, ".name: Field required"),
        ({"name": "a", "where": {"x": 1}, "route": [{"x": "?"}]}, ".route[0].x: Input should be a"),
        (Point(x=1), "expected Job, got Point(x=1, y=0.0) (Point)"),
    ],
)
def test_what_the_model_refuses_is_refused(value: object, text: str) -> None:
    """With the path and pydantic's own reason, in one line."""
    with pytest.raises(ConversionError) as caught:
        codec_for_type(Job).encode(value)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_service_without_the_model_reads_and_writes_it() -> None:
    """As a dataclass rebuilt from the schema; enums by name."""
    codec = codec_for_type(Job)
    service = codec_for_literal_type(codec.literal_type)
    read = service.decode(codec.encode(JOB))
    assert (read.name, read.where.x, read.route[0].y, read.color) == ("a", 1, 0.0, "BLUE")
    assert codec.decode(service.encode(read)) == JOB
    assert codec.decode(service.encode(JOB)) == JOB
