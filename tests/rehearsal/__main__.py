"""`python -m tests.rehearsal --python PYTHON`; see `--help`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.backend.front import nothing
from tests.backend.replicas import Flavour
from tests.backend.stage import Setting, play

from .findings import Findings, table
from .proxies import HAProxy, Nginx, proxy
from .rolling import ANNOUNCED, UNANNOUNCED

FRONTS = {"none": nothing, "nginx": partial(proxy, Nginx), "haproxy": partial(proxy, HAProxy)}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.rehearsal",
        description="Restart replicas one by one under load, behind a load balancer.",
    )
    add = parser.add_argument
    known = ",".join(FRONTS)
    add("--front", default=known, help=f"of {known}; none dials each replica, as in Kubernetes")
    add(
        "--unannounced",
        action="store_true",
        help="do not take replicas out of the proxy before they stop",
    )
    add("--python", type=Path, required=True, help="interpreter with the service")
    add("--replicas", type=int, default=3)
    add("--tasks", type=int, default=600)
    add("--in-flight", type=int, default=200, help="tasks that run at a time")
    add("--limit", type=float, default=120, help="seconds for one rehearsal")
    add("--seed", type=int, default=0)
    add("--directory", type=Path, help="for logs and outputs; a temporary one by default")
    add("--json", action="store_true", help="print a line of JSON for each instead of a table")
    return parser.parse_args()


async def rehearse(options: argparse.Namespace, front: str, directory: Path) -> Findings:
    """One rehearsal."""
    scenario = UNANNOUNCED if options.unannounced else ANNOUNCED
    setting = Setting(
        flavour=Flavour.OURS,
        python=options.python,
        directory=directory / front,
        replicas=options.replicas,
        tasks=options.tasks,
        seed=options.seed,
        in_flight=options.in_flight,
        limit=options.limit,
        front=FRONTS[front],
    )
    return Findings.of(front, await play(scenario, setting))


def main() -> int:
    """Print what was found; 1 if it must not be."""
    options = arguments()
    # SIGTERM unwinds like Ctrl-C, so that no process is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = []
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as temporary:
        for front in options.front.split(","):
            directory = options.directory or Path(temporary)
            found.append(asyncio.run(rehearse(options, front, directory)))
            if options.json:
                print(json.dumps(dataclasses.asdict(found[-1])), flush=True)
    if not options.json:
        print(table(found))
    for one in found:
        if one.flaws:
            print(f"{one.front}: {', '.join(one.flaws)}", file=sys.stderr)
    return int(any(one.flaws for one in found))


if __name__ == "__main__":
    sys.exit(main())
