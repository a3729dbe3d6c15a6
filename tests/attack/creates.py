"""Creates that are slow, fail late, lose their reply, are repeated, or are killed in the middle.

The model of Flyte's back end (`tests.backend`) drives two replicas, and the vendor's books are counted
afterwards: one job for each attempt, a handle for each job, an end for each task.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.backend.replicas import Flavour
from tests.backend.scenarios import BRIEF, SCENARIOS
from tests.backend.stage import Setting as Stage
from tests.backend.stage import play as play_scenario

if TYPE_CHECKING:
    from .report import Tally
    from .setting import Setting

FULL = (
    *(
        "slow-create",
        "cancel",
        "kill",
        "sigterm",
        "replay",
        "own-id",
        "own-id-plain",
        "own-id-late",
    ),
    *("own-id-lost", "own-id-kill", "own-id-replay", "refused-late", "refused-abort"),
    *("own-id-refused", "spool-foreign"),
)
SHORT = ("own-id-lost", "cancel")
TASKS, FEW_TASKS = 60, 12
LIMIT_SECONDS = 90.0


async def play(setting: Setting, tally: Tally) -> None:
    """Play the scenarios about creates; each task is one attack."""
    share, shares = setting.share
    folder = setting.folder(f"creates-{share}")
    stage = Stage(
        flavour=Flavour.OURS,
        python=Path(sys.executable),
        directory=folder,
        replicas=2,
        tasks=TASKS if setting.full else FEW_TASKS,
        seed=setting.seed,
        limit=LIMIT_SECONDS,
    )
    for name in (FULL if setting.full else SHORT)[share::shares]:
        scenario = SCENARIOS[name]
        if not setting.full:
            scenario = dataclasses.replace(scenario, polls=BRIEF)
        report = await play_scenario(scenario, stage)
        tally.tried(name, report.tasks)
        for flaw in report.flaws:
            tally.fell(name, f"{flaw} ({scenario.summary})")
