"""`flyte-connectors doctor`: examine this installation, a running service, and the back end's configuration."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence

from flyte_connectors.cli.table import colour

from flyte_connectors_doctor.examination import Subject, examine
from flyte_connectors_doctor.finding import Finding, Status

_COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAULT: "red"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    parser.add_argument("--config", metavar="F", help="the service's TOML file")
    parser.add_argument(
        "--tasks",
        metavar="M",
        action="append",
        default=[],
        help="look up the secrets that the tasks of this module or file name; repeatable",
    )
    parser.add_argument(
        "--tenant",
        metavar="PROJECT/DOMAIN",
        action="append",
        default=[],
        help="look the secrets up as for a task of this project and domain; repeatable",
    )
    parser.add_argument("--storage", metavar="URI", help="write to this folder and read it back")
    parser.add_argument("--endpoint", metavar="HOST:PORT", help="ask a running service; https://HOST:PORT for TLS")
    parser.add_argument(
        "--backend",
        metavar="F",
        help="compare the configuration of Flyte's back end (YAML, such as a chart's values) with the service",
    )
    parser.add_argument("--verbose", action="store_true", help="show what is in order one by one")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def run(options: argparse.Namespace) -> int:
    """Print the findings; exit code 1 if there is a fault."""
    logging.getLogger("flyte_connectors").setLevel(logging.ERROR)  # the findings say it
    subject = Subject(options.config, options.tasks, options.storage, options.endpoint, options.backend, options.tenant)
    findings = list(examine(subject))
    is_fine = not any(finding.status is Status.FAULT for finding in findings)
    if options.json:
        print(json.dumps({"ok": is_fine, "findings": list(map(_plain, findings))}, indent=2))
    else:
        _print(findings, verbose=options.verbose)
    return 0 if is_fine else 1


def _plain(finding: Finding) -> dict[str, str]:
    return {**finding._asdict(), "status": finding.status.value}


def _print(findings: Sequence[Finding], *, verbose: bool) -> None:
    for check in dict.fromkeys(finding.check for finding in findings):
        own = [finding for finding in findings if finding.check == check]
        fine = [finding for finding in own if finding.status is Status.OK]
        if fine and not verbose:
            names = textwrap.shorten(", ".join(f.subject for f in fine), 90, placeholder=" ...")
            _line(Status.OK, check, f"{len(fine)} in order: {names}")
        for finding in own if verbose else [f for f in own if f not in fine]:
            _line(finding.status, check, f"{finding.subject}: {finding.text}")
            if finding.fix:
                print(f"{'':23}fix: {finding.fix}")
    count = Counter(finding.status for finding in findings)
    faults, warnings = count[Status.FAULT], count[Status.WARNING]
    print(f"{faults} fault{'s' * (faults != 1)}, {warnings} warning{'s' * (warnings != 1)}")


def _line(status: Status, check: str, text: str) -> None:
    mark = colour(f"{status.value:8}", _COLOURS[status], sys.stdout)
    print(f"{mark} {check:13} {text}")
