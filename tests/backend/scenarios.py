"""The faults that a connector service has to live through, each as one scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import disturbances
from .vendor import Faults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .stage import Stage

HERE = Path(__file__).parent
NEIGHBOURS = ["tests.backend.neighbours"]


@dataclass(frozen=True)
class Scenario:
    """One kind of trouble.

    Attributes:
        faults: What the vendor does wrong.
        disturb: What else happens while the tasks run.
        awaited: Whether the run ends only when `disturb` has ended, too.
        modules: Served besides the vendor's connector.
        python_path: Folders put first on the service's PYTHONPATH.
        cancelling: Share of the creates that the client cancels and sends again.
        aborting: Share of the tasks that their user aborts.
    """

    name: str
    summary: str
    faults: Faults = field(default_factory=Faults)
    disturb: Callable[[Stage], Awaitable[None]] = disturbances.nothing
    awaited: bool = False
    modules: list[str] = field(default_factory=list)
    python_path: list[Path] = field(default_factory=list)
    cancelling: float = 0.0
    aborting: float = 0.0


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("calm", "nothing goes wrong"),
        Scenario("vendor-5", "5 % of the vendor's calls fail", Faults(failing=0.05)),
        Scenario("vendor-20", "20 % of the vendor's calls fail", Faults(failing=0.2)),
        Scenario(
            "hang",
            "5 % of the vendor's calls hang for far longer than the deadline",
            Faults(hanging=0.05, hang_seconds=30),
        ),
        Scenario(
            "slow-create",
            "30 % of the creates take 1.5 times the client's deadline",
            Faults(slow_creates=0.3, slow_seconds=3.0),
        ),
        Scenario(
            "cancel",
            "the client cancels half of its creates midway and sends them again",
            Faults(slow_creates=1.0, slow_seconds=0.02),
            cancelling=0.5,
        ),
        Scenario("kill", "each second another replica is killed", disturb=disturbances.kill),
        Scenario(
            "sigterm",
            "replicas get SIGTERM while creates are in flight",
            Faults(slow_creates=1.0, slow_seconds=0.5),
            disturb=disturbances.terminate,
        ),
        Scenario(
            "replay",
            "the executor crashes every second and replays",
            Faults(slow_creates=1.0, slow_seconds=0.2),
            disturb=disturbances.crash,
        ),
        Scenario(
            "clock",
            "the service's wall clock jumps by up to a year twice a second",
            Faults(failing=0.05),
            python_path=[HERE / "jumping_clock"],
        ),
        Scenario("watches", "200 health watches are open", disturb=disturbances.watch_health),
        Scenario("junk", "10,000 junk requests arrive", disturb=disturbances.junk, awaited=True),
        Scenario(
            "blocker",
            "another connector blocks the loop for 0.2 s twenty times a second",
            disturb=disturbances.call_blocker,
            modules=NEIGHBOURS,
        ),
        Scenario(
            "leaker",
            "another connector leaks a task twenty times a second",
            disturb=disturbances.call_leaker,
            modules=NEIGHBOURS,
        ),
        Scenario(
            "threads",
            "other connectors fill the thread pools",
            disturb=disturbances.call_hogs,
            modules=NEIGHBOURS,
        ),
        Scenario(
            "disk",
            "no file can be written any more, while cancelled creates give reasons to log",
            Faults(slow_creates=1.0, slow_seconds=0.02),
            disturb=disturbances.fill_disk,
            cancelling=0.5,
        ),
        Scenario("abort", "users abort half of the tasks", Faults(failing=0.05), aborting=0.5),
        Scenario(
            "abort-late",
            "users abort tasks whose jobs the vendor has forgotten",
            Faults(forgotten=1.0),
            aborting=0.5,
        ),
    )
}
