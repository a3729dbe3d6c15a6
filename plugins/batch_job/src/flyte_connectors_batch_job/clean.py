"""Removing old jobs: `python -m flyte_connectors_batch_job.clean --older-than DAYS`."""

from __future__ import annotations

import argparse
import sys

from flyte_connectors.errors import ConnectorError

from flyte_connectors_batch_job.runner.spool import Spool
from flyte_connectors_batch_job.settings import spool_directory

_DAY_SECONDS = 86400


def main(arguments: list[str] | None = None) -> int:
    """Remove what has ended long ago. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m flyte_connectors_batch_job.clean")
    parser.add_argument("--older-than", type=float, required=True, metavar="DAYS")
    days = parser.parse_args(arguments).older_than
    try:
        removed = Spool(spool_directory()).remove(older_than=days * _DAY_SECONDS)
    except (ConnectorError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"removed {len(removed)} jobs\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
