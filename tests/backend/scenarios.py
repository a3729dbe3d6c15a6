"""The faults that a connector service has to live through, each as one scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import disturbances
from .batch_task import BatchTask, own_spool, shared_spool
from .excuses import CRASHED, KILLED, NO_ANSWER
from .task import Task
from .vendor import Faults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .stage import Stage

HERE = Path(__file__).parent
NEIGHBOURS = ["tests.backend.neighbours"]
BRIEF = (1, 6)
OWN_ID = ["tests.backend.own_id_connector"]


def no_variables(*_: object) -> dict[str, str]:
    """None but the usual ones."""
    return {}


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
        task_type: Of the tasks; `task` is their class.
        polls: How many polls a job lasts at least and at most; by default 2 to 12 minutes at
            Flyte's 30 s.
        in_flight: Tasks that run at a time, at most.
        waves: How many times as many tasks there are as run at a time, at least: what happens to creates
            needs some at all times.
        least: Replicas without which it makes no sense: a lone one that ends is away for what would be
            minutes at Flyte's pace, and the back end forgives a task five failed reads.
        environ: Environment variables of a replica, from the run's directory and its number.
        create: Seconds that the back end gives `CreateTask`; None leaves its default.
        excuse: Why there may be a job too many that no service could have prevented; see `excuses`.
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
    task_type: str = "vendor_job"
    task: type[Task] = Task
    polls: tuple[float, float] = (4, 24)
    in_flight: int = 1_000_000
    waves: int = 1
    least: int = 1
    environ: Callable[[Path, int], dict[str, str]] = no_variables
    create: float | None = None
    excuse: str = ""


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
        Scenario(
            "kill",
            "each second another replica is killed",
            disturb=disturbances.kill,
            least=2,
            waves=4,
            excuse=KILLED,
        ),
        Scenario(
            "sigterm",
            "replicas get SIGTERM while creates are in flight",
            Faults(slow_creates=1.0, slow_seconds=0.5),
            disturb=disturbances.terminate,
            least=2,
            waves=4,
        ),
        Scenario(
            "replay",
            "the executor crashes every second and replays",
            Faults(slow_creates=1.0, slow_seconds=1.0),
            disturb=disturbances.crash,
            waves=4,
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
        Scenario(
            "own-id",
            "the vendor takes no key; 15 % of the creates take most of their deadline",
            Faults(slow_creates=0.15, slow_seconds=10.5),
            modules=OWN_ID,
            task_type="own_id_job",
            create=12.0,
        ),
        Scenario(
            "own-id-plain",
            "the same, its connector made of plain functions",
            Faults(slow_creates=0.15, slow_seconds=10.5),
            modules=OWN_ID,
            task_type="own_id_plain",
            create=12.0,
            excuse=NO_ANSWER,
        ),
        Scenario(
            "own-id-late",
            "the vendor takes no key; 15 % of the creates take 1.5 times the deadline",
            Faults(slow_creates=0.15, slow_seconds=3.0),
            modules=OWN_ID,
            task_type="own_id_job",
            excuse=NO_ANSWER,
        ),
        Scenario(
            "own-id-lost",
            "the vendor takes no key; 10 % of its calls fail, some after their work",
            Faults(failing=0.1),
            modules=OWN_ID,
            task_type="own_id_job",
            excuse=NO_ANSWER,
        ),
        Scenario(
            "own-id-kill",
            "the vendor takes no key; each second another replica is killed",
            Faults(slow_creates=1.0, slow_seconds=0.3),
            disturb=disturbances.kill,
            least=2,
            waves=4,
            modules=OWN_ID,
            task_type="own_id_job",
            excuse=NO_ANSWER,
        ),
        Scenario(
            "own-id-replay",
            "the vendor takes no key; the executor crashes every second and replays",
            Faults(slow_creates=1.0, slow_seconds=1.0),
            disturb=disturbances.crash,
            waves=4,
            modules=OWN_ID,
            task_type="own_id_job",
            excuse=CRASHED,
        ),
        Scenario(
            "refused-late",
            "the vendor refuses 30 % of the tasks, after 1.5 times the deadline",
            Faults(refused=0.3, slow_seconds=3.0),
        ),
        Scenario(
            "refused-abort",
            "the same, and users abort a third of all tasks",
            Faults(refused=0.3, slow_seconds=3.0),
            aborting=0.33,
        ),
        Scenario(
            "own-id-refused",
            "the vendor takes no key, and refuses 30 % of the tasks within the deadline",
            Faults(refused=0.3, slow_seconds=10.5),
            modules=OWN_ID,
            task_type="own_id_job",
            create=12.0,
        ),
        Scenario(
            "spool-shared",
            "batch jobs on replicas that share their spool",
            task_type="batch_job",
            task=BatchTask,
            polls=BRIEF,
            in_flight=20,
            environ=shared_spool,
        ),
        Scenario(
            "spool-foreign",
            "batch jobs on replicas that do not, so that most reads reach one that lacks the job",
            task_type="batch_job",
            task=BatchTask,
            polls=BRIEF,
            in_flight=20,
            environ=own_spool,
        ),
        Scenario(
            "rush",
            "20 SIGTERMs under callers that never pause",
            disturb=disturbances.terminate_in_a_rush,
            least=2,
            awaited=True,
            modules=NEIGHBOURS,
        ),
    )
}
