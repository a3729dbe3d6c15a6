"""Counts the bytecode instructions that this thread executes."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import CodeType

BYTECODE = "bytecode instructions"

_TOOL = sys.monitoring.PROFILER_ID
_INSTRUCTION = sys.monitoring.events.INSTRUCTION


class Instructions:
    """A counter.

    Attributes:
        count: The instructions between `start` and `stop`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._thread = threading.get_ident()

    def start(self) -> None:
        """Begin."""
        sys.monitoring.use_tool_id(_TOOL, "guard")
        sys.monitoring.register_callback(_TOOL, _INSTRUCTION, self._executed)
        sys.monitoring.set_events(_TOOL, _INSTRUCTION)

    def stop(self) -> None:
        """End."""
        sys.monitoring.set_events(_TOOL, 0)
        sys.monitoring.free_tool_id(_TOOL)

    def _executed(self, _code: CodeType, _offset: int) -> None:
        if threading.get_ident() == self._thread:
            self.count += 1
