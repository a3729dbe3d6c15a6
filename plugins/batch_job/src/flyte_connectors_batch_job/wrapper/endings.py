"""What is said of a command that has ended."""

from __future__ import annotations

import signal

MESSAGE_CHARACTERS = 1024


def failure(exit_code: int, last_line: bytes) -> str:
    """How a command failed.

    Args:
        exit_code: Its exit code; negative for a signal.
        last_line: The last line of its stderr.
    """
    end = f"ended with exit code {exit_code}" if exit_code > 0 else f"was killed by {_signal(-exit_code)}"
    last = text(last_line)
    return f"the job {end}" + (f": {last}" if last else "")


def text(line: bytes) -> str:
    """A line that a command has printed, for a message."""
    return line.decode(errors="replace").strip()[:MESSAGE_CHARACTERS]


def _signal(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:  # a real-time signal
        return f"signal {number}"
