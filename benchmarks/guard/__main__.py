"""`python -m benchmarks.guard`: count, and compare with the baseline."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.guard import requests, start
from benchmarks.guard.counting import BYTECODE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASELINE = Path(__file__).parent / "baseline.json"
PYTHON = (3, 13)
ALLOWED_RISE = 0.03


def main(arguments: Sequence[str] | None = None) -> int:
    """Count everything; 1 if something has risen."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="write the counts as the baseline")
    options = parser.parse_args(arguments)
    if sys.version_info[:2] != PYTHON:
        parser.error(f"the baseline is of Python {'.'.join(map(str, PYTHON))}")
    counts = requests.counts() | start.counts()
    if not _would_see(0.05, counts):
        parser.exit(2, "the guard is broken: it does not see 5 % more instructions\n")
    if options.renew:
        BASELINE.write_text(json.dumps(counts, indent=2) + "\n")
        print(f"wrote {BASELINE}")
        return 0
    baseline = json.loads(BASELINE.read_text())
    print(table(counts, baseline))
    problems = risen(counts, baseline)
    if problems:
        print("\n" + "\n".join(problems), file=sys.stderr)
        print("Make it cheaper; or if it has to be, `nox -s guard -- --renew`, and say why in the "
              "commit.", file=sys.stderr)  # fmt: skip
    return 1 if problems else 0


def _would_see(rise: float, counts: Mapping[str, float]) -> bool:
    """Whether calls that execute so much more are reported, each of them."""
    bytecode = {name: n for name, n in counts.items() if name.endswith(BYTECODE)}
    more = int(max(n for name, n in bytecode.items() if "Task" in name) * rise)
    slower = requests.counts(burden=more)
    reported = risen({name: slower[name] for name in bytecode if name in slower}, bytecode)
    return all(any(line.startswith(name) for line in reported) for name in bytecode if "Task" in name)


def risen(counts: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """A line for each count that is more than 3 % above the baseline, or in only one of the two."""
    problems = [f"{name}: not in both" for name in sorted(counts.keys() ^ baseline.keys())]
    for name in counts.keys() & baseline.keys():
        now, before = counts[name], baseline[name]
        if now > before * (1 + ALLOWED_RISE):
            rise = f"{now / before - 1:.1%}" if before else "new"
            problems.append(f"{name}: {before:g} -> {now:g} ({rise})")
    return sorted(problems)


def table(counts: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    """Every count beside the baseline's."""
    width = max(map(len, counts))
    lines = [f"{'':{width}}  {'baseline':>10}  {'now':>10}"]
    for name, now in counts.items():
        before = baseline.get(name)
        change = f"{now / before - 1:+7.1%}" if before else ""
        lines.append(f"{name:{width}}  {before or 0:10,.6g}  {now:10,.6g}  {change}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
