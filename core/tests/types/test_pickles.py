"""Nothing is ever unpickled, and no name in a request is imported."""

from __future__ import annotations

import builtins
import pickle
import sys
from typing import TYPE_CHECKING

import pytest
from flyte_connectors.io import File
from flyte_connectors.types import ConversionError, codec_for_literal_type, codec_for_type
from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import BlobType, LiteralType, SimpleType

if TYPE_CHECKING:
    import pathlib


class Bomb:
    """Does harm when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("import builtins; builtins.exploded = True",))


@pytest.fixture(autouse=True)
def _unharmed() -> object:
    yield
    assert not hasattr(builtins, "exploded")


def small_pickle() -> Literal:
    """A pickle in the literal, as the official SDK writes it: a ``Binary`` without a tag."""
    literal = Literal()
    literal.scalar.binary.value = pickle.dumps(Bomb())
    return literal


def large_pickle(path: str) -> Literal:
    """A pickle in a file, as the official SDK writes it."""
    literal = Literal()
    literal.scalar.blob.uri = path
    literal.scalar.blob.metadata.type.format = "PythonPickle"
    return literal


@pytest.mark.parametrize("python_type", [int, bytes, dict, list[int], dict[str, int], File, object])
def test_a_pickled_value_is_refused(python_type: type, tmp_path: pathlib.Path) -> None:
    """Whatever the declared type is, and wherever the pickle lies."""
    path = tmp_path / "pickle"
    path.write_bytes(pickle.dumps(Bomb()))
    for literal in (small_pickle(), large_pickle(str(path))):
        if python_type is object:
            codec = codec_for_literal_type(LiteralType(simple=SimpleType.STRUCT))
        else:
            codec = codec_for_type(python_type)
        with pytest.raises(ConversionError, match="pickled inputs are refused"):
            codec.decode(literal)


def test_a_type_declared_as_pickle_is_refused() -> None:
    """As the official SDK declares it: a union of a blob and a binary."""
    declared = LiteralType()
    blob = declared.union_type.variants.add(blob=BlobType(format="PythonPickle", dimensionality=BlobType.SINGLE))
    binary = declared.union_type.variants.add(simple=SimpleType.BINARY)
    blob.structure.tag = binary.structure.tag = "FlytePickle"
    for literal_type in (declared, blob, binary):
        with pytest.raises(ConversionError, match="the declared type is a pickle"):
            codec_for_literal_type(literal_type)


def test_a_pickle_under_a_union_is_refused() -> None:
    """The union does not hide it."""
    codec = codec_for_type(int | str)
    literal = Literal()
    literal.scalar.union.value.CopyFrom(small_pickle())
    literal.scalar.union.type.structure.tag = "FlytePickle"
    with pytest.raises(ConversionError, match="pickled inputs are refused"):
        codec.decode(literal)


def test_a_name_in_a_schema_is_not_imported() -> None:
    """A hostile title is a title, nothing else."""
    declared = LiteralType(simple=SimpleType.STRUCT)
    declared.metadata.update(
        {
            "title": "antigravity.Flying",
            "type": "object",
            "properties": {"x; import antigravity": {"type": "integer"}},
            "required": ["x; import antigravity"],
        }
    )
    literal = codec_for_literal_type(declared).encode({"x; import antigravity": 1})
    assert codec_for_literal_type(declared).decode(literal) == {"x; import antigravity": 1}
    assert "antigravity" not in sys.modules


def test_a_value_stored_elsewhere_is_refused() -> None:
    """Reading it would point the service's credentials at whatever the request names."""
    literal = Literal()
    literal.offloaded_metadata.uri = "s3://bucket/x"
    literal.offloaded_metadata.size_bytes = 123
    with pytest.raises(ConversionError, match=r"123 bytes stored elsewhere.* pass large data as"):
        codec_for_type(int).decode(literal)
