"""Standard streams that are closed, full, or no longer read."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from flyte_connectors.errors import ConnectorError

INTERRUPTED = 130
"""Exit code of a command stopped by Ctrl-C: 128 plus the number of SIGINT, as in shells."""

READER_GONE = 141
"""Exit code of a command whose output is not read any more: 128 plus the number of SIGPIPE."""


def exit_code_of(command: Callable[[], int]) -> int:
    """Run a command, and print in one line why it failed.

    Returns:
        What `command` returned; 1 after an error, 130 after Ctrl-C, 141 when the reader of its output
        has gone, as in `flyte-connectors list | head -1`.

    Raises:
        SystemExit: `command` has raised it.
    """
    _open_closed_streams()
    try:
        try:
            return command()
        except ConnectorError as error:
            complain(error.message)
            return 1
        except KeyboardInterrupt:
            complain("interrupted")
            return INTERRUPTED
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
        _discard(sys.stderr)
        return READER_GONE
    except OSError as error:
        reason = error.strerror or error
        place = error.filename
        _discard(sys.stdout)
        try:
            complain(f"{place}: {reason}" if place else f"can't write to standard output: {reason}")
        except OSError:
            _discard(sys.stderr)
        return 1


def complain(text: str) -> None:
    """Print one line with the program's name to standard error."""
    print(f"flyte-connectors: {text}", file=sys.stderr, flush=True)


def _open_closed_streams() -> None:
    """Open the streams that the caller has closed, before another file is given their numbers.

    Reading finds nothing, writing to standard output fails, and errors go nowhere.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)  # the lowest number that is free
            os.set_inheritable(opened, True)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  (for the process)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _discard(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere; Python would try to write it at its end."""
    with contextlib.suppress(OSError, ValueError):  # a stream that is not a file of the system
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
