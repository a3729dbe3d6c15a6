"""A server of the probe service in this process, and a raw connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import hypothesis
import pytest
from probe_service import Server, serving
from raw import RawConnection, connected

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """The probe service on h2corn."""
    async with serving() as server:
        yield server


@pytest.fixture
async def raw(server: Server) -> AsyncIterator[RawConnection]:
    """An HTTP/2 connection to it on which a test sends what it likes."""
    async with connected(server.port) as connection:
        yield connection
