"""Objects that belong to one event loop, such as what holds its timers or futures."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One object for each event loop, made when it is first needed; gone when another loop runs in its thread.

    Args:
        make: Makes it, on the running loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._local = threading.local()  # no thread runs two event loops at once

    def get(self) -> T:
        """The object of the running loop."""
        loop = asyncio.get_running_loop()
        owner: weakref.ref[asyncio.AbstractEventLoop] | None = getattr(self._local, "loop", None)
        if owner is None or owner() is not loop:
            self._local.loop = weakref.ref(loop)
            self._local.object = self._make()
        found: T = self._local.object
        return found
