"""Values on the wire: Python values to Flyte literals and back, always by the declared type.

    codec.py             Codec and ConversionError
    scalars.py           int, float, str, bool, bytes, None, moments, and types that travel as text
    containers.py        list[T], dict[str, T]
    unions.py            Union, Optional
    msgpack_binary.py    msgpack inside a literal
    for_type.py          Python type to codec (task side)
    for_literal_type.py  Flyte type to codec (service side)

Nothing here unpickles, and nothing named in a literal is imported.
"""

from __future__ import annotations

from flyte_connectors.types.codec import Codec, ConversionError
from flyte_connectors.types.for_literal_type import codec_for_literal_type
from flyte_connectors.types.for_type import codec_for_type

__all__ = ["Codec", "ConversionError", "codec_for_literal_type", "codec_for_type"]
