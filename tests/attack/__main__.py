"""`python -m tests.attack --part all --short`; see `--help`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .parts import PARTS, Part
from .report import Tally, header, rows, summary
from .setting import Setting

ROOT = Path(__file__).parents[2]
SHORT_AT_ONCE = 3
"""Parts that run beside each other in the short form, which mostly waits."""


def arguments() -> argparse.Namespace:
    """The command line."""
    names = "\n".join(f"  {name:9} {part.summary}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.attack",
        description="Attack a real service, and say what fell.",
        epilog=f"parts:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--part", default="all", help="names, comma separated, or all")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="a minute's worth; the default")
    form.add_argument("--full", action="store_true", help="everything, a quarter of an hour")
    add("--seed", type=int, default=0)
    add("--directory", type=Path, help="for logs and spools; a temporary one by default")
    add("--json", action="store_true", help="print each part as a line of JSON")
    add("--share", default="0/1", help=argparse.SUPPRESS)  # of a part that is split
    add("--inside", action="store_true", help=argparse.SUPPRESS)  # this is the part's own process
    return parser.parse_args()


def main() -> int:
    """Attack, print the table; 1 if anything fell."""
    options = arguments()
    # SIGTERM unwinds like Ctrl-C, so that no process is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = list(PARTS) if options.part == "all" else options.part.split(",")
    with tempfile.TemporaryDirectory(prefix="attack-", ignore_cleanup_errors=True) as temporary:
        directory = (options.directory or Path(temporary)).absolute()
        index, count = map(int, options.share.split("/"))
        setting = Setting(directory, options.full, options.seed, (index, count))
        tallies = []
        if not options.json:
            print(header(), flush=True)
        for tally in played(names, setting, inside=options.inside):
            tallies.append(tally)
            print(tally.to_json() if options.json else rows(tally), flush=True)
    if not options.json:
        print(summary(tallies))
    return int(any(tally.fallen for tally in tallies))


def played(names: list[str], setting: Setting, *, inside: bool) -> Iterator[Tally]:
    """The results of each part, in order."""
    if inside:
        yield from (here(name, PARTS[name], setting) for name in names)
        return
    at_once = 1 if setting.full else SHORT_AT_ONCE
    with ThreadPoolExecutor(at_once) as threads, ending_what_runs():
        yield from threads.map(lambda name: beside(name, PARTS[name], setting), names)


_running: list[subprocess.Popen[str]] = []


@contextlib.contextmanager
def ending_what_runs() -> Iterator[None]:
    """End the running parts, and begin no others, when this process is stopped."""
    try:
        yield
    except BaseException:
        PARTS.clear()
        for process in _running:
            process.terminate()
        raise


def here(name: str, part: Part, setting: Setting) -> Tally:
    """Play a part in this process."""
    tally = Tally(name)
    try:
        asyncio.run(part.load()(setting, tally))
    except Exception as error:  # of the bed, or of what it attacks: no success in either case
        traceback.print_exc()
        tally.tried("the test bed")
        tally.fell("the test bed", f"{type(error).__name__}: {error}")
    return tally


def beside(name: str, part: Part, setting: Setting) -> Tally:
    """Play a part in processes of its own: what it does to its process harms no other."""
    began = time.monotonic()
    setting.progress(f"{name}: {part.summary}")
    tally = Tally(name)
    shares = part.shares if setting.full else 1
    command = [sys.executable, "-m", "tests.attack", "--inside", "--json", "--part", name]
    command += ["--seed", str(setting.seed), "--directory", str(setting.directory)]
    command += ["--full"] if setting.full else []
    running = [
        subprocess.Popen(
            [*command, "--share", f"{share}/{shares}"],
            cwd=ROOT,
            env={**os.environ, "GRPC_VERBOSITY": "ERROR"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in range(shares)
    ]
    _running.extend(running)
    try:
        for process in running:
            output, _ = process.communicate(timeout=part.limit if setting.full else part.limit / 4)
            lines = output.splitlines()
            if not lines:
                tally.tried("the test bed")
                tally.fell("the test bed", f"ended with {process.returncode}, without a report")
            else:
                tally.add(json.loads(lines[-1]))
    except subprocess.TimeoutExpired:
        tally.tried("the test bed")
        tally.fell("the test bed", f"not done within {part.limit:g} s")
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
                process.wait()
    seconds = time.monotonic() - began
    tried = sum(row.tried for row in tally.rows.values())
    setting.progress(f"{name}: {tried:,} tried, {tally.fallen:,} fell, {seconds:.0f} s")
    return tally


if __name__ == "__main__":
    sys.exit(main())
