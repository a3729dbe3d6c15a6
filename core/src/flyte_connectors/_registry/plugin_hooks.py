"""The hooks of a plugin besides the verbs: verified when it is loaded, then called directly."""

from __future__ import annotations

import inspect
import logging
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pluggy

from flyte_connectors import hookspecs
from flyte_connectors._registry.installed import Selection, plugins_that_mention
from flyte_connectors.errors import RegistrationError

logger = logging.getLogger(__name__)

Hook = Callable[..., Any]


def hooks_of(plugin: Any) -> dict[str, Hook]:
    """Those of `hookspecs.PLUGIN_HOOKS` that a module or object has, by name.

    Raises:
        RegistrationError: a function with `@hookimpl` has the name of no hook, or arguments that its hook does not have.
    """
    if isinstance(plugin, type):
        return {}
    marked = {name: getattr(plugin, name) for name in _marked(plugin)}
    if not hasattr(plugin, "task_type_name"):  # else it is verified as a connector, all of it
        _verify(marked, getattr(plugin, "__name__", type(plugin).__name__))
    return {name: marked[name] for name in hookspecs.PLUGIN_HOOKS if name in marked}


def _verify(functions: Mapping[str, Hook], name: str) -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(types.SimpleNamespace(**functions), name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        text = " ".join(str(error).replace(repr(error.plugin), name).split())
        raise RegistrationError(f"{name}: {text}") from error


def call_hook(hook: Hook, **arguments: Any) -> Any:
    """What an implementation answers; it may take fewer arguments than its hook has."""
    taken = inspect.signature(hook).parameters
    return hook(**{name: value for name, value in arguments.items() if name in taken})


def has_hooks(plugin: Any) -> bool:
    """Whether any function of a plugin carries `@hookimpl`."""
    return next(_marked(plugin), None) is not None


def installed_hooks(hook: str, selection: Selection) -> Iterator[Hook]:
    """The implementations of one hook in the installed plugins.

    Plugins that do not have it are not imported. One that can't be loaded is logged and left out.
    """
    for point in plugins_that_mention(hook, selection):
        try:
            found = hooks_of(point.load()).get(hook)
        except (Exception, SystemExit) as error:
            logger.warning("plugin %s failed to load: %s: %s", point.name, type(error).__name__, error)
        else:
            if found is not None:
                yield found


def _marked(plugin: Any) -> Iterator[str]:
    """Names of the functions with `@hookimpl`; no property is asked, it may open a connection."""
    for name in vars(plugin) if isinstance(plugin, types.ModuleType) else dir(plugin):
        function = inspect.getattr_static(plugin, name, None)
        function = getattr(function, "__func__", function)  # of a static method
        if hasattr(function, f"{hookspecs.PROJECT}_impl"):
            yield name
