"""The control that the kit needs over the external system."""

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
        """Refuse every call from now on, like a system that is down."""
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


@runtime_checkable
class LosesReplies(Protocol):
    """A service behind a network that loses replies."""

    def lose_reply(self) -> None:
        """Accept the next job, and break the connection instead of saying so."""
        ...


@runtime_checkable
class RefusesCalls(Protocol):
    """A service over HTTP."""

    def refuse(self, status: int) -> None:
        """Answer every call from now on with this status (RFC 9110), as the service words it."""
        ...


@runtime_checkable
class HasRemarks(Protocol):
    """A service that reports errors of a job which do not end it."""

    def remark(self, job: str) -> None:
        """Report such an error for the job, which still runs."""
        ...


@runtime_checkable
class SeesInputs(Protocol):
    """A service that reports the inputs of a job."""

    def inputs_of(self, job: str) -> Mapping[str, object]:
        """The job's inputs by name, as Python values."""
        ...


@runtime_checkable
class SeesSecrets(Protocol):
    """A service that calls identify themselves to by a secret."""

    def secret_of(self, job: str) -> str:
        """What the last call about the job identified itself with; contains the secret."""
        ...


@runtime_checkable
class CountsCalls(Protocol):
    """A service that counts what it is asked."""

    def calls(self) -> int:
        """How many calls have come in."""
        ...


@runtime_checkable
class HasClock(Protocol):
    """A service whose clock can be set."""

    def set_clock(self, seconds: float) -> None:
        """Go so many seconds ahead of the clock of this machine."""
        ...


@runtime_checkable
class SharedByProcesses(Protocol):
    """A service that other processes of this machine reach as well."""

    def environment(self) -> Mapping[str, str]:
        """Environment variables that lead a connector to it, besides those of this process."""
        ...
