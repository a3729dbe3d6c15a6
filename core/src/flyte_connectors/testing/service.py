"""What the kit has to do to the external system, so that a connector shows how it takes it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable


class ControllableService(Protocol):
    """The external system of a connector: the real one in a sandbox, or a double of it.

    A job is named by the id that the system itself gave it. Methods return once their effect can be seen
    by the connector.
    """

    def jobs(self) -> Mapping[str, bool]:
        """Every job that was ever accepted, by id, and whether it still runs or waits."""
        ...

    def complete(self, job: str) -> None:
        """End the job as success, with the outputs that its task declares."""
        ...

    def fail(self, job: str) -> None:
        """End the job as failure."""
        ...

    def forget(self, job: str) -> None:
        """Lose the job, as systems do with old ones."""
        ...

    def go_away(self) -> None:
        """Refuse every call from now on, as a system does that is down."""
        ...

    def hang(self) -> None:
        """Leave every call from now on without an answer."""
        ...


@runtime_checkable
class HasStates(Protocol):
    """A service whose jobs can be put into any of its states."""

    def states(self) -> Collection[str]:
        """Every state that the service's documentation lists."""
        ...

    def set_state(self, job: str, state: str) -> None:
        """Report `state` for the job from now on, also one that is not listed."""
        ...


@runtime_checkable
class HasLogs(Protocol):
    """A service whose jobs can be made to log."""

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        """Add lines to the job's log, which may hold others, and may put words around these."""
        ...
