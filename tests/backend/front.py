"""What stands between the back end and the replicas: nothing, unless a scenario brings a proxy."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .replicas import Replica


class Front:
    """Nothing: the back end dials every replica.

    Attributes:
        addresses: What the back end dials.
    """

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses

    async def take_out(self, replica: Replica) -> None:
        """Send no more calls to a replica that is about to end."""

    async def put_back(self, replica: Replica) -> None:
        """Send calls to a replica that is back."""


@asynccontextmanager
async def nothing(replicas: list[Replica]) -> AsyncIterator[Front]:
    """No proxy."""
    yield Front([replica.address for replica in replicas])
