"""Microseconds per conversion, and the official SDK's beside where it is installed.

Run by ``python -m benchmarks.conversions`` in the environment to measure. To reach: at most 8 µs in
and 12 µs out for three primitives. Best of seven rounds: what the machine does besides only adds.
"""

from __future__ import annotations

import asyncio
import dataclasses
import timeit
from typing import TYPE_CHECKING, Any

from flyte_connectors.types import codec_for_literal_type, codec_for_type
from flyteidl2.core.literals_pb2 import LiteralMap

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7


@dataclasses.dataclass
class Order:
    """A struct of moderate size."""

    number: int
    price: float
    customer: str
    tags: list[str]


CASES: dict[str, dict[str, tuple[Any, Any]]] = {
    "3 primitives": {"a": (int, 5), "b": (float, 1.5), "c": (str, "text")},
    "1 dataclass": {"a": (Order, Order(1, 2.5, "x", ["a", "b"]))},
    "list of 100 ints": {"a": (list[int], list(range(100)))},
}


def ours(fields: dict[str, tuple[Any, Any]]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return what a service does per call: read all inputs, write all outputs."""
    codecs = {
        name: codec_for_literal_type(codec_for_type(python_type).literal_type)
        for name, (python_type, _) in fields.items()
    }
    values = {name: value for name, (_, value) in fields.items()}

    def write() -> LiteralMap:
        message = LiteralMap()
        for name, value in values.items():
            message.literals[name].CopyFrom(codecs[name].encode(value))
        return message

    written = write().literals
    values = {name: codecs[name].decode(written[name]) for name in values}
    return lambda: {name: codecs[name].decode(written[name]) for name in codecs}, write


def official(
    fields: dict[str, tuple[Any, Any]],
) -> tuple[Callable[[], Any], Callable[[], Any]] | None:
    """Return the same by the official SDK, None if it is not installed."""
    try:
        from flyte.types import TypeEngine
    except ImportError:
        return None
    loop = asyncio.new_event_loop()
    hints = {name: python_type for name, (python_type, _) in fields.items()}
    values = {name: value for name, (_, value) in fields.items()}

    def write() -> LiteralMap:
        return loop.run_until_complete(TypeEngine.dict_to_literal_map(values, hints))

    written = write()
    return lambda: loop.run_until_complete(TypeEngine.literal_map_to_kwargs(written, hints)), write


def microseconds(function: Callable[[], Any]) -> float:
    """Return the time of one call, in microseconds."""
    timer = timeit.Timer(function)
    number, _ = timer.autorange()
    return min(timer.repeat(ROUNDS, max(1, number // 10))) / max(1, number // 10) * 1e6


def main() -> None:
    """Measure and print."""
    print(f"{'µs per call':18}{'in':>10}{'out':>10}{'flyte in':>12}{'flyte out':>12}")
    for name, fields in CASES.items():
        row = [microseconds(function) for function in ours(fields)]
        peer = official(fields)
        row += [microseconds(function) for function in peer] if peer else []
        print(f"{name:18}" + "".join(f"{value:>11.1f}" for value in row))


if __name__ == "__main__":
    main()
