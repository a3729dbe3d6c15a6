"""Quantities as Kubernetes writes them.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import decimal
import re

_FACTORS = {
    "n": decimal.Decimal("1e-9"),
    "u": decimal.Decimal("1e-6"),
    "m": decimal.Decimal("1e-3"),
    "": decimal.Decimal(1),
    "k": decimal.Decimal(10**3),
    "M": decimal.Decimal(10**6),
    "G": decimal.Decimal(10**9),
    "T": decimal.Decimal(10**12),
    "P": decimal.Decimal(10**15),
    "E": decimal.Decimal(10**18),
    "Ki": decimal.Decimal(2**10),
    "Mi": decimal.Decimal(2**20),
    "Gi": decimal.Decimal(2**30),
    "Ti": decimal.Decimal(2**40),
    "Pi": decimal.Decimal(2**50),
    "Ei": decimal.Decimal(2**60),
}
_QUANTITY = re.compile(r"([+-]?[0-9]{1,24}(?:\.[0-9]{0,24})?(?:[eE][+-]?[0-9]{1,2})?)([a-zA-Z]{0,2})")


def cores(quantity: float | str) -> float:
    """A quantity as a number of cores. Raises ValueError if it is none."""
    return float(_number(quantity))


def whole(quantity: float | str) -> int:
    """A quantity, of bytes or of devices, as a whole number; parts are rounded up. Raises ValueError if it is none."""
    return int(_number(quantity).to_integral_value(decimal.ROUND_CEILING))


def readable(size: int) -> str:
    """A number of bytes in the largest unit that keeps it short, such as `50Mi`."""
    unit = next((unit for unit in ("Ti", "Gi", "Mi", "Ki") if size % int(_FACTORS[unit]) == 0), "")
    return f"{size // int(_FACTORS[unit])}{unit}"


def _number(quantity: float | str) -> decimal.Decimal:
    match = _QUANTITY.fullmatch(str(quantity).strip())
    if match is None or match[2] not in _FACTORS:
        message = f"{quantity!r} is not a quantity"
        raise ValueError(message)
    return decimal.Decimal(match[1]) * _FACTORS[match[2]]
