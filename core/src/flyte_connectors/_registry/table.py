"""The routing table: which connector serves a task type.

`Registry` is the table; `ConnectorRegistry` is what connector modules use, static methods on the
registry of this process.
"""

from __future__ import annotations

import contextlib
import contextvars
import types
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flyte_connectors import errors
from flyte_connectors._registry.binding import bind
from flyte_connectors._registry.installed import Selection
from flyte_connectors._registry.plugin_hooks import Hook, call_hook, has_hooks, hooks_of, installed_hooks
from flyte_connectors.bound import BoundConnector, Wrapper
from flyte_connectors.connector import AsyncConnector, SyncConnector, TaskCategory

if TYPE_CHECKING:
    from flyteidl2.connector.connector_pb2 import Connector as ConnectorProto


_OFFICIAL = ("flyte", "flytekit")


def is_ours(plugin: Any) -> bool:
    """Whether a connector object or module is written for our contract, correctly or not."""
    ours = (AsyncConnector, SyncConnector, types.ModuleType)
    return isinstance(plugin, ours) or has_hooks(plugin)


def official_sdk_of(connector: type) -> str | None:
    """The official SDK that a connector class is derived from, if any."""
    tops = (base.__module__.partition(".")[0] for base in connector.__mro__)
    return next((top for top in tops if top in _OFFICIAL), None)


def needs_official(name: str, sdk: str) -> errors.RegistrationError:
    """The error for a connector of the official SDK where no plugin hosts it."""
    message = (
        f"{name} was written for the official SDK ({sdk}), and no loaded plugin hosts those: "
        'pip install "flyte-connectors[official]", and allow flyte-connectors-official'
    )
    return errors.RegistrationError(message)


_source: contextvars.ContextVar[str | None] = contextvars.ContextVar("source", default=None)

KEPT_HOOKS = {"http_routes", "grpc_services", "warm_up", "check_connection", "find_secrets"}
OF_CONNECTORS = {"warm_up", "check_connection"}
"""Those that a connector class may have as methods."""


class Registry:
    """A routing table from (task type, version) to connector.

    Attributes:
        failures: One line for each plugin that could not be loaded; shown when a task type is
            not found, because the missing connector is probably in one of them.
        wrappers: Wrappers of every verb, innermost first.
        hooks: Implementations of the hooks that a service calls, by the names of `KEPT_HOOKS`.
        selection: Which installed plugins may be loaded where one is needed.
    """

    def __init__(self) -> None:
        self._connectors: dict[tuple[str, int], BoundConnector] = {}
        self._metadata: dict[str, ConnectorProto] | None = None
        self.failures: list[str] = []
        self.wrappers: tuple[Wrapper, ...] = ()
        self.hooks: dict[str, tuple[Hook, ...]] = dict.fromkeys(KEPT_HOOKS, ())
        self.selection = Selection.of()
        self._adapters: tuple[Hook, ...] | None = None

    def wrap(self, wrapper: Wrapper) -> None:
        """Put `wrapper` around every verb of every connector, registered already or later; once."""
        self.wrappers = _with(self.wrappers, wrapper)
        for bound in self:
            self._apply_wrappers(bound)

    def take_hooks(self, hooks: Mapping[str, Hook]) -> None:
        """Use a plugin's hooks besides the verbs, those that concern the registry."""
        if "wrap_verb" in hooks:
            self.wrap(hooks["wrap_verb"])
        for name in KEPT_HOOKS & hooks.keys():
            self.hooks[name] = _with(self.hooks[name], hooks[name])

    def adapted(self, plugin: Any) -> list[Any]:
        """The connectors that installed plugins make of one from another framework; empty if none knows it."""
        if self._adapters is None:
            self._adapters = tuple(installed_hooks("adapt", self.selection))
        answers = (call_hook(adapt, plugin=plugin) for adapt in self._adapters)
        found: Any = next((answer for answer in answers if answer is not None), [])
        return found if isinstance(found, list) else [found]

    def register(self, connector: Any, *, override: bool = False, source: str | None = None) -> BoundConnector:
        """Verify `connector` and route its task type to it.

        Args:
            connector: A connector instance, a connector class that needs no arguments, a module or
                object with `@hookimpl` functions, or what an installed plugin can adapt.
            override: Replace a connector that serves the same task type and version.
            source: Where the connector comes from, for messages; its module by default.

        Raises:
            RegistrationError: the connector breaks the contract, or its task type is taken.
        """
        plugin = _instance(connector)
        if not is_ours(plugin):
            (plugin,) = self.adapted(plugin) or [plugin]
            sdk = official_sdk_of(type(plugin))
            if sdk is not None:
                raise needs_official(type(plugin).__name__, sdk)
        bound = bind(plugin, source=source or _source.get() or _module(plugin))
        key = (bound.category.name, bound.category.version)
        taken = self._connectors.get(key)
        if taken is not None and not override:
            raise errors.DuplicateTaskTypeError(
                f"task type {bound.category} of {bound.name} ({bound.source}) is already served by "
                f"{taken.name} ({taken.source}): uninstall or deny one of them"
            )
        self._apply_wrappers(bound)
        self._connectors[key] = bound
        self._metadata = None
        self.take_hooks({n: h for n, h in hooks_of(plugin).items() if n in OF_CONNECTORS})
        return bound

    def find(self, task_type: str, version: int = 0) -> BoundConnector:
        """The connector that serves a task type.

        Raises:
            ConnectorNotFoundError: none does; the message lists the known ones.
        """
        try:
            return self._connectors[task_type, version]
        except KeyError:
            raise self._not_found(task_type, version) from None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo what is registered within this block, overrides and wrappers included, if it raises."""
        before = self._connectors.copy(), self.wrappers, self.hooks.copy()
        try:
            yield
        except BaseException:
            self._connectors, self.wrappers, self.hooks = before
            self._metadata = None
            for bound in self:
                self._apply_wrappers(bound)
            raise

    def __iter__(self) -> Iterator[BoundConnector]:
        return iter(self._connectors.values())

    def metadata(self) -> dict[str, ConnectorProto]:
        """`flyteidl2.connector.Connector` messages by connector name."""
        if self._metadata is None:
            from flyteidl2.connector.connector_pb2 import Connector  # authors import this module

            table: dict[str, ConnectorProto] = {}
            for bound in self:
                entry = table.setdefault(bound.name, Connector(name=bound.name))
                category = bound.category
                entry.supported_task_categories.add(name=category.name, version=category.version)
            self._metadata = table
        return self._metadata

    def _apply_wrappers(self, bound: BoundConnector) -> None:
        for verb in bound.verbs.values():
            verb.wrappers = self.wrappers

    def _not_found(self, task_type: str, version: int) -> errors.ConnectorNotFoundError:
        wanted = TaskCategory(task_type[:100], version)
        known = ", ".join(sorted(str(bound.category) for bound in self)) or "none"
        failed = f"; plugins that failed to load: {'; '.join(self.failures)}" if self.failures else ""
        return errors.ConnectorNotFoundError(f"no connector for task type {wanted}; known: {known}{failed}")


def _with(hooks: tuple[Hook, ...], hook: Hook) -> tuple[Hook, ...]:
    """The hooks and one more, unless it is there already."""
    return hooks if hook in hooks else (*hooks, hook)


_process_registry = Registry()


def process_registry() -> Registry:
    """The registry of this process, which `ConnectorRegistry` and the CLI use."""
    return _process_registry


@contextlib.contextmanager
def registering_for(source: str) -> Iterator[None]:
    """Name the origin of connectors that an imported module registers by itself."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


class ConnectorRegistry:
    """The connectors of this process, as connector modules and their tests see them."""

    @staticmethod
    def register(connector: Any, override: bool = False) -> None:
        """Route the task type of `connector` to it. See `Registry.register`."""
        process_registry().register(connector, override=override)

    @staticmethod
    def get_connector(task_type_name: str, task_type_version: int = 0) -> Any:
        """The connector object that serves a task type.

        Raises:
            ConnectorNotFoundError: none does.
        """
        return process_registry().find(task_type_name, task_type_version).plugin

    @staticmethod
    def list_connectors() -> list[ConnectorProto]:
        """One `flyteidl2.connector.Connector` message for each connector name."""
        return list(process_registry().metadata().values())

    @staticmethod
    def get_connector_metadata(name: str) -> ConnectorProto:
        """The `flyteidl2.connector.Connector` message of one connector.

        Raises:
            ConnectorNotFoundError: no connector has that name.
        """
        return find_metadata(process_registry(), name)


def find_metadata(registry: Registry, name: str) -> ConnectorProto:
    """The `flyteidl2.connector.Connector` message of the connector called `name`.

    Raises:
        ConnectorNotFoundError: no connector has that name.
    """
    table = registry.metadata()
    if name not in table:
        raise errors.ConnectorNotFoundError(
            f"no connector is named '{name[:100]}'; known: {', '.join(sorted(table)) or 'none'}"
        )
    return table[name]


def _instance(connector: Any) -> Any:
    if not isinstance(connector, type):
        return connector
    try:
        return connector()
    except TypeError as error:
        message = f"{connector.__name__} can't be created without arguments: {error}"
        raise errors.RegistrationError(message) from error


def _module(plugin: Any) -> str:
    return str(getattr(plugin, "__module__", None) or getattr(plugin, "__name__", "unknown"))
