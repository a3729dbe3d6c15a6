"""Removing old jobs: `python -m flyte_connectors_batch_job.clean --older-than DAYS`."""

from __future__ import annotations

import argparse
import sys

from flyte_connectors.errors import ConnectorError

from flyte_connectors_batch_job.backends.local.cleaning import clean
from flyte_connectors_batch_job.backends.local.files import DamagedFileError
from flyte_connectors_batch_job.backends.local.spool import Spool
from flyte_connectors_batch_job.settings import spool_directory

_DAY_SECONDS = 86400


def main(arguments: list[str] | None = None) -> int:
    """Remove what has ended long ago. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flyte_connectors_batch_job.clean",
        description="Remove batch jobs that have ended, with their inputs, outputs and logs.",
    )
    parser.add_argument(
        "--older-than",
        type=_days,
        required=True,
        metavar="DAYS",
        help="remove jobs whose folder has not changed for this many days",
    )
    days = parser.parse_args(arguments).older_than
    try:
        spool = Spool(spool_directory())
        removed, faults = clean(spool, older_than=days * _DAY_SECONDS)
    except (ConnectorError, DamagedFileError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"removed {len(removed)} job{'' if len(removed) == 1 else 's'}\n")
    for fault in faults:
        sys.stderr.write(f"error: can't remove {fault}\n")
    return 1 if faults else 0


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < float("inf"):
        message = f"{text} is not a number of days"
        raise argparse.ArgumentTypeError(message)
    return days


if __name__ == "__main__":
    raise SystemExit(main())
