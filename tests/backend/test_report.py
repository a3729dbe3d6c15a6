"""External jobs are counted from outside, whatever the connector says."""

from __future__ import annotations

from typing import Any

from .report import Jobs, Report, table
from .task import Outcome, Task


def job(attempt: int = 0, state: str = "succeeded") -> dict[str, Any]:
    """A job of task t1 in the vendor's list."""
    return {"task": "t1", "attempt": attempt, "state": state}


def test_one_job_with_a_handle_is_as_it_should_be(task: Task) -> None:
    """Nothing to count."""
    task.handles = {0}
    assert Jobs.count([task], [job()]) == Jobs(jobs=1, twice=0, doubled=0, orphans=0, left_running=0)


def test_a_second_job_of_the_same_attempt_is_doubled_and_an_orphan(task: Task) -> None:
    """The back end can only know one of them."""
    task.handles = {0}
    counted = Jobs(jobs=2, twice=1, doubled=1, orphans=1, left_running=0)
    assert Jobs.count([task], [job(), job()]) == counted


def test_a_job_whose_create_failed_is_an_orphan(task: Task) -> None:
    """The next attempt's job is the second one of the task."""
    task.handles = {1}
    counted = Jobs(jobs=2, twice=1, doubled=0, orphans=1, left_running=0)
    assert Jobs.count([task], [job(0), job(1)]) == counted


def test_cancelled_jobs_do_no_harm(task: Task) -> None:
    """Somebody cleaned up."""
    task.handles = {1}
    jobs = [job(0, "cancelled"), job(1)]
    assert Jobs.count([task], jobs) == Jobs(jobs=2, twice=0, doubled=0, orphans=0, left_running=0)


def test_a_job_that_outlives_its_abort_is_left_running(task: Task) -> None:
    """The user believes it is gone."""
    task.handles = {0}
    task.outcome = Outcome.ABORTED
    assert Jobs.count([task], [job(0, "running")]).left_running == 1


def report(**fields: Any) -> Report:
    """A report of one task that ended right, but for what is given."""
    return Report(replicas=1, tasks=1, seed=0, **{"right": 1} | fields)


def test_a_good_run_has_no_flaws() -> None:
    """A few new series and megabytes are the price of first uses."""
    assert report(series=[(60, 70)], memory_mb=[(50.0, 55.0)]).flaws == []


def test_every_loss_is_a_flaw() -> None:
    """Each is named with its number."""
    assert report(right=0, stranded=1).flaws == ["1 tasks not right"]
    assert report(twice=2, orphans=3).flaws == ["2 tasks with two jobs", "3 orphaned jobs"]
    assert report(doubled=2, twice=2).flaws == ["2 attempts with two jobs"]
    assert report(notes={"rush CANCELLED": 1}).flaws == ["1 calls answered CANCELLED"]
    assert report(leaked={"log": 4}).flaws == ["4 secrets leaked"]
    assert report(series=[(16, 36_115)]).flaws == ["36099 series grown"]


def test_only_what_no_service_could_prevent_is_excused() -> None:
    """So many second jobs as are allowed, and none within an attempt."""
    allowed = {"tasks with two jobs": 2, "orphaned jobs": 2}
    assert report(twice=2, orphans=1, allowed=allowed).flaws == []
    assert report(twice=3, orphans=3, allowed=allowed).flaws == [
        "1 tasks with two jobs",
        "1 orphaned jobs",
    ]
    assert report(twice=1, doubled=1, allowed=allowed).flaws == ["1 attempts with two jobs"]


def test_what_is_excused_is_told_with_its_reason() -> None:
    """A reader of the table sees that there was something, and what."""
    excused = report(twice=2, orphans=1, allowed={"tasks with two jobs": 5, "orphaned jobs": 5})
    excused.reason = "a replica was killed"
    told = "none (2 tasks with two jobs; 1 orphaned jobs: a replica was killed)"
    assert table([excused]).splitlines()[1].endswith(told)
    assert table([report()]).splitlines()[1].endswith(" none")
