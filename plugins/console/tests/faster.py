"""A service whose console reads its jobs, and tells its pages, so many times as often: `faster.py TIMES serve ...`."""

import sys

from flyte_connectors.cli import main

from flyte_connectors_console import watching

PAUSES = ("_LOG_PAUSE", "_STATE_PAUSE", "_LONGEST_STATE_PAUSE", "_CURVES_PAUSE", "_TELL_PAUSE")

if __name__ == "__main__":
    times = float(sys.argv.pop(1))
    for name in PAUSES:
        setattr(watching, name, getattr(watching, name) / times)
    sys.exit(main())
