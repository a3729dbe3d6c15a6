"""The restart: one replica after the other ends, is waited for, and is back before the next ends.

That is harsher than what Kubernetes does with the manifests of `deploy`: there a new pod is ready
before an old one goes.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

from tests.backend.scenarios import Scenario
from tests.backend.vendor import Faults

if TYPE_CHECKING:
    from tests.backend.stage import Stage

ROLLS = "rolls"
PAUSE_SECONDS = 0.5


async def roll(stage: Stage) -> None:
    """Restart replicas in turn for as long as there are tasks."""
    for replica in itertools.cycle(stage.replicas):
        await asyncio.sleep(PAUSE_SECONDS)
        await replica.terminate()
        await replica.start()
        stage.notes[ROLLS] += 1


async def roll_announced(stage: Stage) -> None:
    """The same, but what stands in front takes each replica out before it ends."""
    for replica in itertools.cycle(stage.replicas):
        await asyncio.sleep(PAUSE_SECONDS)
        await stage.front.take_out(replica)
        await asyncio.sleep(PAUSE_SECONDS)
        await replica.terminate()
        await replica.start()
        await stage.front.put_back(replica)
        stage.notes[ROLLS] += 1


# A create takes the vendor 0.3 s, so that each SIGTERM meets some in flight.
SLOW = Faults(slow_creates=1.0, slow_seconds=0.3)
ANNOUNCED = Scenario("announced", "replicas are restarted one by one", SLOW, roll_announced)
UNANNOUNCED = Scenario("unannounced", "the same, and the proxy is not told before", SLOW, roll)
