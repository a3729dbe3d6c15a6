"""What a run of several sessions says at its end: what passed, what failed, what was left out and why, how long it took.

It stands below nox's own list, which has a line for each session and nothing about tests.
"""

from __future__ import annotations

import atexit
import collections
import itertools
import logging
import os
import pathlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree

import nox

_STARTED = time.time()
_numbers = itertools.count()
_RAN = re.compile(r"Ran \d+ sessions")
_SESSION = re.compile(r"\* (?P<name>.+): (?P<status>\w+)(?: \((?P<reason>.*)\))?(?:, took .*)?")
_MOST = 20  # lines of one list


def run_tests(session: nox.Session, *arguments: str, env: Mapping[str, str | None] | None = None) -> None:
    """Run pytest, and keep what came of each test for the summary.

    Args:
        session: The session.
        arguments: Those of pytest.
        env: Variables for it, beside those of the session.
    """
    name = re.sub(r"\W+", "-", session.name)
    file = _folder(session) / f"{os.getpid()}-{next(_numbers)}-{name}.xml"
    session.run("pytest", f"--junitxml={file.absolute()}", *arguments, env=env)


def _folder(session: nox.Session) -> pathlib.Path:
    folder = session.cache_dir / "results"
    folder.mkdir(exist_ok=True)
    _Sessions.results = folder
    return folder


class _Sessions(logging.Handler):
    """The results of the sessions, of which nox gives a report to its log only."""

    results: pathlib.Path | None = None

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, tuple[str, str]] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        session = _SESSION.fullmatch(text)
        if _RAN.match(text):
            self.found = {}
        elif self.found is not None and session:
            self.found[session["name"]] = (session["status"], session["reason"] or "")


def print_at_the_end(missing: Iterable[str] = ()) -> None:
    """Print the summary when nox has ended, if it ran more than one session.

    Args:
        missing: Versions of Python that are not installed.
    """
    sessions = _Sessions()
    logging.getLogger("nox").addHandler(sessions)

    def summarize() -> None:
        if sessions.found:
            files = [*_Sessions.results.glob("*.xml")] if _Sessions.results else []
            latest = [file for file in files if file.stat().st_mtime >= _STARTED]
            lines = summary(sessions.found, latest, time.time() - _STARTED, missing)
            print("\n" + "\n".join(lines), file=sys.stderr)  # noqa: T201
            for file in files:
                file.unlink()

    atexit.register(summarize)


def summary(
    sessions: Mapping[str, tuple[str, str]],
    results: Iterable[pathlib.Path],
    seconds: float,
    missing: Iterable[str] = (),
) -> list[str]:
    """The lines to print.

    Args:
        sessions: The status and the reason of each session.
        results: The files that pytest wrote.
        seconds: How long all of it took.
        missing: Versions of Python that are not installed.
    """
    counts = collections.Counter(status for status, _ in sessions.values())
    tests: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    failed = []
    for outcome, name, reason in _tests(results):
        tests[outcome] += 1
        if outcome == "failed":
            failed.append(name)
        elif outcome == "skipped":
            reasons[reason] += 1
    minutes = f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"  # noqa: PLR2004
    lines = [f"Sessions: {_counted(counts)}, in {minutes}.", f"Tests: {_counted(tests)}."]
    bad = [name for name, (status, _) in sessions.items() if status not in ("success", "skipped")]
    lines += _listed("Failed:", [*bad, *failed])
    left_out = [
        f"{name}: {reason or 'no reason given'}" for name, (status, reason) in sessions.items() if status == "skipped"
    ]
    left_out += [f"Python {version}: it is not installed" for version in missing]
    left_out += [f"{count} test{'s' * (count > 1)}: {reason}" for reason, count in reasons.most_common()]
    lines += _listed("Left out:", left_out)
    return [*lines, "Sessions that take longer run by name: `nox -l` lists them."]


def _counted(counts: Mapping[str, int]) -> str:
    """Such as `20 passed, none failed, 1 left out`."""
    passed, skipped = (
        counts.get(one, 0) + counts.get(other, 0) for one, other in (("success", "passed"), ("skipped", ""))
    )
    failed = sum(counts.values()) - passed - skipped
    return f"{passed} passed, {failed or 'none'} failed, {skipped or 'none'} left out"


def _listed(heading: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return [heading, *(f"  {line}" for line in lines[:_MOST]), *more]


def _tests(results: Iterable[pathlib.Path]) -> Iterator[tuple[str, str, str]]:
    """The outcome of each test, its name, and the reason if it was skipped."""
    for file in results:
        for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314
            name = f"{case.get('classname')}.{case.get('name')}"
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                yield "failed", name, ""
            elif skipped is not None and skipped.get("type") != "pytest.xfail":
                yield "skipped", name, " ".join((skipped.get("message") or "").split())
            else:
                yield "passed", name, ""
