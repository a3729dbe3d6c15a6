"""Codecs of references: `File` and `Dir` as blobs, `DataFrame` as a structured dataset.

Only the reference travels; nothing is uploaded or opened here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from flyteidl2.core.literals_pb2 import Literal
from flyteidl2.core.types_pb2 import BlobType, LiteralType, SimpleType, StructuredDatasetType

from flyte_connectors.errors import ConversionError
from flyte_connectors.io import DataFrame, Dir, File
from flyte_connectors.io.storage import is_remote, local_path
from flyte_connectors.types.codec import PICKLE_FORMAT, Codec, mismatch, type_name, wrong_literal
from flyte_connectors.types.hints import fields_of
from flyte_connectors.types.scalars import SCALARS, SCALARS_BY_NUMBER

_NUMPY = {  # by the start of the name, so that numpy need not be imported
    "int": SimpleType.INTEGER,
    "uint": SimpleType.INTEGER,
    "float": SimpleType.FLOAT,
    "bool": SimpleType.BOOLEAN,
    "datetime": SimpleType.DATETIME,
    "timedelta": SimpleType.DURATION,
    "bytes": SimpleType.STRING,
    "str": SimpleType.STRING,
    "object": SimpleType.STRING,
}


def columns_of(types_by_name: Mapping[str, Any]) -> list[StructuredDatasetType.DatasetColumn]:
    """Return Flyte's columns; a dict or dataclass in a column becomes columns ``outer.inner``.

    Raises:
        ConversionError: A column's type has no counterpart in Flyte.
    """
    return [
        StructuredDatasetType.DatasetColumn(name=name, literal_type=_literal_type(python_type))
        for name, python_type in _flat(types_by_name)
    ]


def types_of(columns: Any) -> dict[str, Any]:
    """Return the Python type of each of Flyte's columns by name."""
    return {column.name: _python_type(column.literal_type) for column in columns}


def _flat(types_by_name: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, python_type in types_by_name.items():
        if isinstance(python_type, dict):
            yield from _flat(python_type, f"{prefix}{name}.")
        elif dataclasses.is_dataclass(python_type):
            yield from _flat(fields_of(python_type), f"{prefix}{name}.")
        else:
            yield prefix + name, python_type


def _literal_type(python_type: Any) -> LiteralType:
    origin, arguments = get_origin(python_type), get_args(python_type)
    if origin is list:
        return LiteralType(collection_type=_literal_type(arguments[0]))
    if origin is dict:
        return LiteralType(map_value_type=_literal_type(arguments[1]))
    if getattr(python_type, "__module__", "") == "numpy":
        number = _NUMPY.get(python_type.__name__.rstrip("_0123456789"))
        if number is not None:
            return LiteralType(simple=number)
    if python_type in SCALARS:
        return SCALARS[python_type].literal_type
    if python_type is dict:
        return LiteralType(simple=SimpleType.STRUCT)
    raise ConversionError(f"{type_name(python_type)} is not a type for a column of a DataFrame")


def _python_type(literal_type: LiteralType) -> Any:
    kind = literal_type.WhichOneof("type")
    if kind == "collection_type":
        return list[_python_type(literal_type.collection_type)]  # type: ignore[misc]  # made at run time
    if kind == "map_value_type":
        return dict[str, _python_type(literal_type.map_value_type)]  # type: ignore[misc]  # made at run time
    scalar = SCALARS_BY_NUMBER.get(literal_type.simple) if kind == "simple" else None
    return scalar.python_type if scalar else dict


def declared_reference_codec(literal_type: LiteralType) -> Codec:
    """Return the codec of a type that is a blob or a structured dataset."""
    if literal_type.HasField("structured_dataset_type"):
        return dataframe_codec(literal_type.structured_dataset_type)
    one_file = literal_type.blob.dimensionality == BlobType.SINGLE
    return blob_codec(File if one_file else Dir, must_exist=False)


def blob_codec(python_type: type[File | Dir], *, must_exist: bool) -> Codec:
    """Return the codec of `File` or `Dir`.

    Args:
        python_type: `File`, `Dir` or a class derived from one of them.
        must_exist: Whether ``encode`` refuses a local path where nothing is. (Right where the
            author's code runs; a connector service knows the paths of another machine.)
    """
    one_file = issubclass(python_type, File)
    name = python_type.__name__
    dimensionality = BlobType.SINGLE if one_file else BlobType.MULTIPART

    def encode(value: Any) -> Literal:
        if isinstance(value, str) and not must_exist:
            value = python_type(path=value)  # connectors report where a service has put something
        if not isinstance(value, python_type):
            raise mismatch(name, value)
        if must_exist and not is_remote(value.path) and not local_path(value.path).exists():
            raise ConversionError(f"the {'file' if one_file else 'folder'} {value.path} does not exist")
        literal = Literal(hash=value.hash or "")
        literal.scalar.blob.uri = value.path
        literal.scalar.blob.metadata.type.format = value.format
        literal.scalar.blob.metadata.type.dimensionality = dimensionality
        return literal

    def decode(literal: Literal) -> Any:
        blob = literal.scalar.blob
        written = blob.metadata.type
        if not literal.scalar.HasField("blob") or written.format == PICKLE_FORMAT:
            raise wrong_literal(name, literal)
        if written.dimensionality != dimensionality:
            raise ConversionError(f"expected {name}, got a {'folder' if one_file else 'file'}")
        return python_type(path=blob.uri, format=written.format, hash=literal.hash or None)

    literal_type = LiteralType(blob=BlobType(dimensionality=dimensionality))
    return Codec(python_type, literal_type, "File" if one_file else "Dir", encode, decode)


def dataframe_codec(declared: StructuredDatasetType) -> Codec:
    """Return the codec of a `DataFrame` whose columns and format may be declared.

    Declared columns win over those of the value, in both directions; a reader then sees these only.
    """

    def encode(value: Any) -> Literal:
        if not isinstance(value, DataFrame):
            hint = " (wrap it: DataFrame.from_local_sync(df))" if hasattr(value, "columns") else ""
            raise ConversionError(f"expected DataFrame, got a {type(value).__name__}{hint}")
        if not value.uri:
            raise ConversionError("the DataFrame has no uri; DataFrame.from_local_sync(df) gives it one")
        literal = Literal(hash=value.hash or "")
        dataset = literal.scalar.structured_dataset
        dataset.uri = value.uri
        written = dataset.metadata.structured_dataset_type
        written.CopyFrom(declared)
        written.format = declared.format or value.format or ""
        if not declared.columns:
            written.columns.extend(columns_of(value.columns))
        return literal

    def decode(literal: Literal) -> DataFrame:
        if not literal.scalar.HasField("structured_dataset"):
            raise wrong_literal("DataFrame", literal)
        dataset = literal.scalar.structured_dataset
        written = dataset.metadata.structured_dataset_type
        return DataFrame(
            uri=dataset.uri,
            format=written.format,
            hash=literal.hash or None,
            columns=types_of(declared.columns or written.columns),
        )

    literal_type = LiteralType(structured_dataset_type=declared)
    return Codec(DataFrame, literal_type, "DataFrame Transformer", encode, decode)
