"""The codec: how the values of one type travel as Flyte literals.

A codec is two plain functions and two descriptions of the same type, Python's and Flyte's. To convert many
values, look the codec up once and then call ``codec.decode(literal)`` directly.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import Any, NamedTuple

from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import LiteralType

from flyte_connectors.errors import ConversionError

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlong = 30


class Codec(NamedTuple):
    """How the values of one type travel as literals.

    Attributes:
        python_type: The type of the native values.
        literal_type: The Flyte type, as it stands in a task's interface.
        tag: The name of this variant in a union
            (``flyteidl2.core.TypeStructure.tag``).
        encode: Native value to literal. Raises ConversionError.
        decode: Literal to native value. Raises ConversionError.
        write: Like `encode`, into a literal that exists; None if there is no quicker way than to copy it.
    """

    python_type: Any
    literal_type: LiteralType
    tag: str
    encode: Callable[[Any], Literal]
    decode: Callable[[Literal], Any]
    write: Callable[[Any, Literal], None] | None = None

    def __repr__(self) -> str:
        return f"Codec({type_name(self.python_type)})"


def convert_at(convert: Callable[[Any], Any], value: Any, step: str) -> Any:
    """Convert one part of a value; an error says where it is."""
    try:
        return convert(value)
    except ConversionError as error:
        raise error.within(step) from None


def mismatch(expected: str, value: object) -> ConversionError:
    """Return the error for a native value of the wrong type, the value shortened."""
    return ConversionError(f"expected {expected}, got {short(value)} ({type(value).__name__})")


def wrong_literal(expected: str, literal: Literal) -> ConversionError:
    """Return the error for a literal of the wrong kind, or for a pickled one."""
    kind = kind_of(literal)
    if kind == "offloaded_metadata":
        size = literal.offloaded_metadata.size_bytes
        return ConversionError(
            f"expected {expected}, got {size} bytes stored elsewhere; connectors take values in "
            "the request only: pass large data as a File"
        )
    if kind in {"pickle", "untagged binary"}:
        return ConversionError(
            f"expected {expected}, got a pickled value; pickled inputs are refused because reading "
            "them runs code: declare a type that Flyte can carry"
        )
    return ConversionError(f"expected {expected}, got a literal that holds {kind}")


def kind_of(literal: Literal) -> str:
    """Return what a literal holds, in the words of ``flyteidl2.core.Literal``, for error texts."""
    kind = literal.WhichOneof("value") or "nothing"
    if kind != "scalar":
        return str(kind)
    kind = literal.scalar.WhichOneof("value") or "nothing"
    if kind == "primitive":
        return str(literal.scalar.primitive.WhichOneof("value") or "an empty primitive")
    if kind == "blob" and literal.scalar.blob.metadata.type.format == PICKLE_FORMAT:
        return "pickle"
    if kind == "binary" and not literal.scalar.binary.tag:
        return "untagged binary"
    return str(kind)


_MODULES = r"(?<![\w.'\"])(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])"


def short(value: object) -> str:
    """Return a one-line ``repr`` of bounded length."""
    return _SHORT.repr(value).replace("\n", " ")


def type_name(python_type: Any) -> str:
    """Return a type as people write it: ``int``, ``list[File]``, ``Order``."""
    if python_type is type(None):
        return "None"
    is_plain = isinstance(python_type, type) and not hasattr(python_type, "__origin__")
    return python_type.__name__ if is_plain else re.sub(_MODULES, "", str(python_type))


PICKLE_FORMAT = "PythonPickle"
"""Blob format by which the official SDK marks pickled values (``flyte/types/_pickle.py``)."""

PICKLE_TAG = "FlytePickle"
"""The structure tag of such a type."""
