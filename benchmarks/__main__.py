"""`python -m benchmarks`: measure, and print how ours stands beside the limit and the peer."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import blocking, cpu_per_request, footprint, growth, local_runs, logs, startup
from benchmarks.contender import Contender, Name
from benchmarks.report import Row, as_json, as_table
from benchmarks.rounds import Measure, run_rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURES: dict[str, Measure] = {
    "cpu": cpu_per_request,
    "blocking": blocking,
    "logs": logs,
    "start": startup,
    "footprint": footprint,
    "local": local_runs,
}
ROUNDS = {"cpu": 5, "blocking": 1, "logs": 3, "start": 3, "footprint": 1, "local": 1}
"""How often each is measured: what varies most, or has the narrowest target, is measured most."""
NOT_MEASURED = {"local": {Name.ASGI}}
"""Contenders for which a measure is the same as for another one."""
QUICK_ROUNDS = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the chosen measures and print the report."""
    options = _parser().parse_args(arguments)
    contenders = [
        Contender(name, python)
        for name, python in (
            (Name.BARE, options.bare_python),
            (Name.OURS, options.ours_python),
            (Name.ASGI, options.asgi_python),
            (Name.PEER, options.peer_python),
        )
        if python
    ]
    rows: list[Row] = []
    for name in options.only:
        print(name, file=sys.stderr)
        times = _rounds(options, name)
        measured = [each for each in contenders if each.name not in NOT_MEASURED.get(name, ())]
        rows += run_rounds(MEASURES[name], measured, times, quick=options.quick)
    results: dict[str, Any] = {"rows": as_json(rows), "growth": {}}
    if options.growth:
        print("growth", file=sys.stderr)
        turns = 1 if options.quick else _rounds(options, "cpu")
        ours = [each for each in contenders if each.name in (Name.OURS, Name.ASGI)]
        results["growth"] = {each.name.value: growth.curves(each, turns=turns) for each in ours}
    text = json.dumps(results, indent=1)
    print(text if options.json else as_table(rows))
    if options.write:
        options.write.write_text(json.dumps(_merged(options.write, results), indent=1) + "\n")


def _rounds(options: argparse.Namespace, name: str) -> int:
    most = QUICK_ROUNDS if options.quick else ROUNDS[name]
    return min(ROUNDS[name], most) if options.rounds is None else int(options.rounds)


def _merged(file: Path, results: dict[str, Any]) -> dict[str, Any]:
    """`results`, and what a file holds of other measures."""
    if not file.is_file():
        return results
    known = json.loads(file.read_text())
    new = {row["measure"] for row in results["rows"]}
    kept = [row for row in known["rows"] if row["measure"] not in new]
    return {"rows": [*results["rows"], *kept], "growth": results["growth"] or known["growth"]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--ours-python", type=_interpreter, metavar="PYTHON", help="with flyte-connectors installed")
    parser.add_argument(
        "--asgi-python",
        type=_interpreter,
        metavar="PYTHON",
        help="with flyte-connectors-asgi installed, to measure that transport, too",
    )
    parser.add_argument(
        "--peer-python",
        type=_interpreter,
        metavar="PYTHON",
        help='with "flyte[connector]" installed',
    )
    parser.add_argument(
        "--bare-python",
        type=_interpreter,
        metavar="PYTHON",
        default=Path(sys.executable),
        help="with grpcio, its health checking and flyteidl2 installed (default: this one)",
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=list(MEASURES),
        metavar="NAME,...",
        help=f"some of {', '.join(MEASURES)} (default: all)",
    )
    parser.add_argument("--rounds", type=int, help="of each measure (default: by measure, 1 to 5)")
    parser.add_argument("--quick", action="store_true", help="less of everything, to try it out")
    parser.add_argument("--json", action="store_true", help="print JSON with all samples")
    parser.add_argument("--growth", action="store_true", help="also measure how the cost grows")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="also put the JSON here, beside what is there of other measures"
    )
    return parser


def _interpreter(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_file():
        message = f"{text!r} is not a file: give the path of a Python interpreter"
        raise argparse.ArgumentTypeError(message)
    return path


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in MEASURES:
            message = f"unknown measure {name!r}; there are {', '.join(MEASURES)}"
            raise argparse.ArgumentTypeError(message)
    return names


if __name__ == "__main__":
    main()
