"""The calls of a server that are being answered."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_SHORT = 0.25  # seconds that an answer takes to be sent whose client keeps up with it


class Calls:
    """The calls of a server that are being answered.

    Attributes:
        arrived: How many there were so far.
    """

    def __init__(self) -> None:
        self.arrived = 0
        self._working: set[Context] = set()
        self._sending: dict[Context, float] = {}  # and since when; only while draining
        self._draining = False

    def begin(self, context: Context) -> None:
        """A call has reached its handler."""
        self.arrived += 1
        self._working.add(context)

    def end(self, context: Context) -> None:
        """The handler has answered; what it has answered may still be on its way."""
        self._working.discard(context)
        if self._draining:
            self._follow(context, asyncio.get_running_loop().time())

    def stream(self, context: Context) -> None:
        """A call whose answer is sent piece by piece has reached its handler."""
        self.arrived += 1
        self._follow(context, float("-inf"))

    def drain(self) -> None:
        """Follow the calls until their answers are sent, from now on."""
        self._draining = True

    @property
    def open(self) -> list[Context]:
        """Those whose clients wait for an answer."""
        return [*self._working, *self._sending]

    @property
    def sending(self) -> list[Context]:
        """Those whose answer is long: their clients say when they can take more of it."""
        latest = asyncio.get_running_loop().time() - _SHORT
        return [context for context, since in self._sending.items() if since < latest]

    def _follow(self, context: Context, since: float) -> None:
        self._sending[context] = since
        context.add_done_callback(self._sent)  # type: ignore[arg-type]  # its type hides the context

    def _sent(self, context: Context) -> None:
        self._sending.pop(context, None)
