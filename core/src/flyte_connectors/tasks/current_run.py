"""The current run: its name, output prefix, client and observer."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import itertools
import math
import os
import pathlib
import uuid
from collections.abc import Iterator

from flyteidl2.core.identifier_pb2 import TaskExecutionIdentifier

from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.job_loop import GIVE_UP_AFTER, RunObserver
from flyte_connectors.client.local import local_client
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.io import storage
from flyte_connectors.tasks.calls import inherited

STATE_VARIABLE = "FLYTE_CONNECTORS_STATE_DIR"
OUTPUT_VARIABLE = "FLYTE_CONNECTORS_OUTPUT_PREFIX"
GIVE_UP_VARIABLE = "FLYTE_CONNECTORS_GIVE_UP_AFTER"


def seconds(text: str) -> float:
    """A duration in seconds, as a flag or variable gives it.

    Raises:
        ValueError: it is not a number from 0.
    """
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(text)
    return value


def _give_up_after() -> float:
    text = os.environ.get(GIVE_UP_VARIABLE)
    if not text:
        return GIVE_UP_AFTER
    try:
        return seconds(text)
    except ValueError:
        message = f"must be a number of seconds, not {text!r}"
        raise InvalidRequestError(message, field=GIVE_UP_VARIABLE) from None


@dataclasses.dataclass
class CurrentRun:
    """A run that is going on.

    Attributes:
        name: Name of the run; with the action's number it identifies each job.
        client: Where the connectors are.
        observer: Called with the events of its jobs.
        give_up_after: Seconds for which a started job may be polled without an answer:
            `FLYTE_CONNECTORS_GIVE_UP_AFTER`, else ten minutes.

    Raises:
        InvalidRequestError: the variable is not a number of seconds.
    """

    name: str = dataclasses.field(default_factory=lambda: f"r{uuid.uuid4().hex[:19]}")
    client: ConnectorClient = dataclasses.field(default_factory=local_client)
    observer: RunObserver = dataclasses.field(default_factory=RunObserver)
    give_up_after: float = dataclasses.field(default_factory=_give_up_after)
    _actions: Iterator[int] = dataclasses.field(default_factory=itertools.count, repr=False)

    @property
    def folder(self) -> pathlib.Path:
        """The folder of the run's files, created when it is first used."""
        return state_dir() / "runs" / self.name

    @property
    def output_prefix(self) -> str:
        """URI below which its jobs write outputs: `FLYTE_CONNECTORS_OUTPUT_PREFIX`, else its folder.

        A service on another machine can only write to a place that both reach, such as `s3://`.
        """
        chosen = os.environ.get(OUTPUT_VARIABLE)
        return storage.join(chosen, self.name) if chosen else self.folder.as_uri()

    def next_action(self) -> TaskExecutionIdentifier:
        """The identifier of the run's next job, the same for the same sequence of calls."""
        message = TaskExecutionIdentifier()
        message.node_execution_id.node_id = f"a{next(self._actions)}"
        message.node_execution_id.execution_id.name = self.name
        message.node_execution_id.execution_id.project = "local"
        message.node_execution_id.execution_id.domain = "local"
        return message


_current: contextvars.ContextVar[CurrentRun | None] = contextvars.ContextVar("run", default=None)


def current_run() -> CurrentRun:
    """The run that this code is part of; a call outside of a run starts a new one."""
    return inherited(_current) or CurrentRun()


@contextlib.contextmanager
def within_run(execution: CurrentRun) -> Iterator[CurrentRun]:
    """Within this block, tasks belong to `execution`."""
    token = _current.set(execution)
    try:
        yield execution
    finally:
        _current.reset(token)


def state_dir() -> pathlib.Path:
    """The folder of the run history: `FLYTE_CONNECTORS_STATE_DIR`, else the user's state directory.

    The default follows the XDG base directory specification.
    """
    chosen = os.environ.get(STATE_VARIABLE)
    if chosen:
        return pathlib.Path(chosen)
    base = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state"
    return pathlib.Path(base) / "flyte-connectors"
