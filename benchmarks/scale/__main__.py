"""`python -m benchmarks.scale` predicts what many jobs cost, `--measure` measures it, `--check` holds one to the other."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from collections.abc import Sequence

from benchmarks.scale.model import Load, predict
from benchmarks.scale.runs import measured_calls, measured_cost, measured_growth

TOLERANCE = 0.2

CHECKED = (
    Load(300, 3.0, 1e9, min_poll_interval=None, reads=1e9, replicas=1),
    Load(300, 3.0, 1e9, min_poll_interval=0.0, reads=1e9, replicas=1),
    Load(300, 3.0, 1e9, min_poll_interval=0.5, reads=1e9, replicas=1),
    Load(600, 3.0, 60.0, min_poll_interval=0.5, reads=1e9, replicas=1),
)
"""Loads that a check runs in real time; the intervals are a tenth of usual ones."""


def check() -> bool:
    """Hold the model to measured runs; whether it keeps within `TOLERANCE`."""
    good = True
    print(f"{'load':52} {'predicted':>10} {'measured':>10} {'off by':>7}   vendor calls a second")
    for load in CHECKED:
        predicted = predict(load).vendor_calls
        measured = asyncio.run(measured_calls(load, 12.0))
        off = predicted / measured - 1
        good &= abs(off) <= TOLERANCE
        about = f"{load.jobs} jobs, every {load.poll_interval:g} s, interval {load.min_poll_interval}, life {load.lifetime:g}"
        print(f"{about:52} {predicted:10.2f} {measured:10.2f} {off:+7.0%}")
    return good


def measure(sizes: Sequence[int], requests: int) -> None:
    """Print what polls cost by the number of jobs, connectors and requests."""
    print(f"{'jobs':>8} {'connectors':>10} {'µs a poll, get':>15} {'get_many':>9} {'bytes kept a job':>17}")
    for jobs, others in [*((jobs, 0) for jobs in sizes), (sizes[0], 999)]:
        polls = max(jobs, 20_000)
        alone, _ = asyncio.run(measured_cost(jobs, None, polls, others))
        many, kept = asyncio.run(measured_cost(jobs, 3600.0, polls, others))
        print(f"{jobs:8} {others + 1:10} {alone * 1e6:15.1f} {many * 1e6:9.1f} {kept:17.0f}")
    megabytes, objects = asyncio.run(measured_growth(requests))
    print(f"{requests} requests leave {megabytes:+.1f} MB and {objects:+} objects behind")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a prediction, or measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    for field in dataclasses.fields(Load):
        default = 10_000 if field.name == "jobs" else field.default
        flag = f"--{field.name.replace('_', '-')}"
        kind = int if field.type == "int" else float
        parser.add_argument(flag, type=kind, default=default, help=f"default {default}")
    parser.add_argument("--get-only", action="store_true", help="a connector without get_many")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="hold the model to measured runs")
    parser.add_argument("--measure", action="store_true", help="measure what polls cost")
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of jobs to measure")
    parser.add_argument("--requests", type=int, default=500_000, help="requests to look for leaks")
    options = parser.parse_args(arguments)
    if options.check:
        return 0 if check() else 1
    if options.measure:
        measure([int(size) for size in options.sizes.split(",")], options.requests)
        return 0
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(Load)}
    if options.get_only:
        given["min_poll_interval"] = None
    found = dataclasses.asdict(predict(Load(**given)))
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            shown = f"{value:.6g}" if isinstance(value, float) else value
            print(f"{name.replace('_', ' '):15} {shown}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
