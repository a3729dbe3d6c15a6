"""`python -m tests.backend --scenario all --against ours --python PYTHON`; see `--help`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
import tempfile
from pathlib import Path

from .replicas import Flavour
from .report import Report, table
from .scenarios import SCENARIOS
from .stage import Setting, play


def interpreters(text: str) -> list[Path]:
    """Paths of interpreters; not resolved, because an environment's is a link."""
    return [Path(path).absolute() for path in text.split(",")]


def arguments() -> argparse.Namespace:
    """The command line."""
    names = "\n".join(f"  {name:12} {s.summary}" for name, s in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.backend",
        description="Drive a connector service through faults as Flyte's back end would.",
        epilog=f"scenarios:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--scenario", default="all", help="names, comma separated, or all")
    add("--against", default="ours", help="ours, official, or both as ours,official")
    add(
        "--python",
        type=interpreters,
        required=True,
        help="interpreter with the service, one for each --against",
    )
    add("--replicas", default="1", help="1, 2 or both as 1,2")
    add("--tasks", type=int, default=1000)
    add("--seed", type=int, default=0)
    add("--limit", type=float, default=300, help="seconds for one scenario")
    add("--in-flight", type=int, default=200, help="tasks that run at a time")
    add("--directory", type=Path, help="for logs and outputs; a temporary one by default")
    add("--json", action="store_true", help="print each report as a line of JSON")
    return parser.parse_args()


async def run(options: argparse.Namespace, directory: Path) -> list[Report]:
    """Play what was asked for, one after the other."""
    names = list(SCENARIOS) if options.scenario == "all" else options.scenario.split(",")
    services = zip(options.against.split(","), options.python, strict=True)
    settings = [
        Setting(
            flavour=Flavour(flavour),
            python=python,
            directory=directory,
            replicas=replicas,
            tasks=options.tasks,
            seed=options.seed,
            in_flight=options.in_flight,
            limit=options.limit,
        )
        for flavour, python in services
        for replicas in map(int, options.replicas.split(","))
    ]
    reports = []
    for scenario in (SCENARIOS[name] for name in names):
        for setting in settings:
            if setting.replicas < scenario.least:
                print(f"{scenario.name}: needs {scenario.least} replicas", file=sys.stderr)
                continue
            report = await play(scenario, setting)
            reports.append(report)
            if options.json:
                print(json.dumps(dataclasses.asdict(report)), flush=True)
            else:
                print(table([report]).splitlines()[1], file=sys.stderr, flush=True)
    return reports


def main() -> int:
    """Print the reports; 1 if one of ours has a flaw."""
    options = arguments()
    # SIGTERM unwinds like Ctrl-C, so that no process is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        reports = asyncio.run(run(options, options.directory or Path(temporary)))
    if not options.json:
        print(table(reports))
    ours = Flavour.OURS.value
    return int(any(report.against == ours and report.flaws for report in reports))


if __name__ == "__main__":
    sys.exit(main())
