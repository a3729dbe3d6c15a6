"""Values on the wire: Python values to Flyte literals and back, always by the declared type.

    codec.py             Codec, ConversionError
    hints.py             questions about Python types
    for_type.py          Python type to codec (task side); for_class.py where classes are involved
    for_literal_type.py  Flyte type to codec (service side)

    One kind of literal each:
    scalars.py           numbers, text, dates and times, bytes; texts.py types that travel as text
    containers.py        list[T], dict[str, T], Union, Optional
    enums.py             Enum, Literal
    references.py        File, Dir, DataFrame
    structs.py           dataclasses, models, untyped dicts
    declared_structs.py  the same where only the Flyte type is known
    tuples.py            tuple[A, B], named tuples, typed dicts

    Inside structs:
    form.py, plain/      values as plain data
    models.py            pydantic's share of it
    msgpack_binary.py    plain data in a literal
    struct_schemas.py    JSON schemas; from_schema.py back to types

Nothing here unpickles, and nothing named in a literal is imported.
"""

from __future__ import annotations

from flyte_connectors.errors import ConversionError
from flyte_connectors.types.codec import Codec
from flyte_connectors.types.for_literal_type import codec_for_literal_type
from flyte_connectors.types.for_type import codec_for_type

__all__ = ["Codec", "ConversionError", "codec_for_literal_type", "codec_for_type"]
