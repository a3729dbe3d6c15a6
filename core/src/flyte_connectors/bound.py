"""A connector as the call path sees it: plain data, made and verified when it is registered."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors.call_series import CallSeries
from flyte_connectors.connector import TaskCategory
from flyte_connectors.errors import UnsupportedVerbError

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate

Call = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""A verb as a wrapper sees it: arguments in, result out."""

Wrapper = Callable[["Verb", Call], Call]
"""A wrapper of verbs; see `hookspecs.wrap_verb`."""


class Mode(enum.Enum):
    """How a verb's function has to be run."""

    COROUTINE = "coroutine"
    ASYNC_GENERATOR = "async generator"
    THREAD = "thread"


@dataclasses.dataclass(eq=False, repr=False)
class Verb:
    """One verb of one connector.

    Attributes:
        name: One of `hookspecs.VERBS`.
        function: The bound implementation.
        mode: Whether it is awaited, iterated or run in a thread.
        accepts: Names of the arguments that it takes; None if it has `**kwargs` and takes all.
        connector: The connector it belongs to.
        calls: Its call metrics.
        wrappers: Wrappers of each call, innermost first; see `hookspecs.wrap_verb`.
    """

    name: str
    function: Callable[..., Any]
    mode: Mode
    accepts: frozenset[str] | None
    connector: BoundConnector
    calls: CallSeries = dataclasses.field(default_factory=CallSeries)
    wrappers: tuple[Wrapper, ...] = ()

    def select(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Those of `arguments` that the implementation takes."""
        accepts = self.accepts
        if accepts is None:
            return arguments
        return {name: value for name, value in arguments.items() if name in accepts}

    def wrapped(self, call: Call) -> Call:
        """`call` within all wrappers."""
        for wrapper in self.wrappers:
            call = wrapper(self, call)
        return call


@dataclasses.dataclass(eq=False, repr=False)
class BoundConnector:
    """A connector that is ready to be called.

    Attributes:
        plugin: The connector object or module itself.
        name: Its name for people.
        category: The task type and version that it serves.
        source: Where it comes from, such as `flyte-connectors-batch-job 0.1.0`.
        metadata_type: Class of its resource metas, anything with `encode` and `decode`; None for a
            sync connector.
        own_secrets: Keys of the secrets that it brings along itself, for all tasks.
        repeatable_create: Whether its `create` may be called twice for one idempotency key, or a
            function that says so for a task template; see `hookspecs.create`.
        min_poll_interval: Seconds for which an answer of `get_many` is kept.
        verbs: Its verbs by name.
    """

    plugin: Any
    name: str
    category: TaskCategory
    source: str
    metadata_type: Any = None
    own_secrets: frozenset[str] = frozenset()
    repeatable_create: bool | Callable[[TaskTemplate], bool] = False
    min_poll_interval: float = 0.0
    verbs: dict[str, Verb] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{self.name} for {self.category} from {self.source}>"

    @functools.cached_property
    def is_sync(self) -> bool:
        """Whether the connector answers at once through `do`."""
        return "do" in self.verbs

    def may_repeat_create(self, task_template: TaskTemplate) -> bool:
        """Whether the create of a task may be called twice for one idempotency key.

        Raises:
            ConnectorError: the connector raised it about the template.
        """
        stated = self.repeatable_create
        return stated if isinstance(stated, bool) else bool(stated(task_template))

    def verb(self, name: str) -> Verb:
        """The verb called `name`.

        Raises:
            UnsupportedVerbError: the connector does not have it.
        """
        try:
            return self.verbs[name]
        except KeyError:
            message = f"{self.name} (task type {self.category}) does not support {name}"
            raise UnsupportedVerbError(message) from None
