"""Structured Python values to plain data (dicts, lists, text, numbers, bytes) and back.

Done by mashumaro, which is what the official SDK uses, so that the bytes on the wire are the same. It is imported when the
first dataclass appears. Left to itself mashumaro lets a wrong value pass on the way out and bends it on the
way in (``int("3")``, ``bool("false")``); here both directions check.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flyte_connectors.types.codec import ConversionError, mismatch, type_name

if TYPE_CHECKING:
    from collections.abc import Callable

_CACHED_TYPES = 1024


def from_plain(python_type: Any, plain: Any) -> Any:
    """Returns plain data as a value of ``python_type``."""
    try:
        return _decoder(python_type)(plain)
    except ConversionError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConversionError(f"expected {type_name(python_type)}: {reason}") from None


@lru_cache(maxsize=_CACHED_TYPES)
def _decoder(python_type: Any) -> Callable[[Any], Any]:
    from mashumaro.codecs.msgpack import MessagePackDecoder

    decode: Callable[[Any], Any] = MessagePackDecoder(
        python_type, default_dialect=_dialect(), pre_decoder_func=None
    ).decode
    return decode


@lru_cache(maxsize=1)
def _dialect() -> Any:
    from mashumaro.dialect import Dialect

    class Checking(Dialect):
        serialization_strategy = {
            python_type: {"serialize": check, "deserialize": check}
            for python_type, check in _CHECKS.items()
        }

    return Checking


def _int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise mismatch("int", value)


def _float(value: Any) -> float:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        return float(value)
    raise mismatch("float", value)


def _str(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise mismatch("str", value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise mismatch("bool", value)


_CHECKS: dict[type, Callable[[Any], Any]] = {int: _int, float: _float, str: _str, bool: _bool}
