"""Verify a connector against the hook specifications, and bind its verbs for direct calls.

pluggy does the verifying: each connector gets a separate plugin manager, so that another plugin can't answer
for it, and pluggy's checks (unknown hooks, unknown arguments) apply to classes and
modules alike. The calls themselves bypass it: a bound function costs a tenth of a hook call.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from typing import Any, cast

import pluggy

from flyte_connectors import _meta_codec, hookspecs
from flyte_connectors._calls.suggestions import nearest
from flyte_connectors.bound import BoundConnector, Mode, Verb
from flyte_connectors.connector import AsyncConnector, SyncConnector, TaskCategory
from flyte_connectors.errors import RegistrationError
from flyte_connectors.secrets import ConnectorSecretsMixin

_STUBS = frozenset(
    function
    for base in (AsyncConnector, SyncConnector)
    for verb in hookspecs.VERBS
    if (function := base.__dict__.get(verb)) is not None
)


def bind(plugin: Any, *, source: str) -> BoundConnector:
    """Verify `plugin` and bind its verbs.

    Args:
        plugin: A connector object, or a module with `@hookimpl` functions.
        source: Where it comes from, such as `flyte-connectors-batch-job 0.1.0`.

    Raises:
        RegistrationError: it breaks the contract of `flyte_connectors.hookspecs`.
    """
    name = _name(plugin)
    category = _category(plugin, name)
    _check_hook_api(plugin, name)
    functions = _functions(plugin, name)
    bound = BoundConnector(
        plugin,
        name=name,
        category=category,
        source=source,
        metadata_type=_metadata_type(plugin, name) if "create" in functions else None,
        own_secrets=_own_secrets(plugin),
        repeatable_create=_repeatable_create(plugin, name, functions.get("create")),
        min_poll_interval=_min_poll_interval(plugin, name, has_get_many="get_many" in functions),
    )
    for verb, function in functions.items():
        if inspect.isasyncgenfunction(function) and verb != "get_logs":
            raise RegistrationError(f"{name}: {verb} is a generator: return the result, once")
        bound.verbs[verb] = Verb(verb, function, _mode(function), _accepts(function), bound)
    return bound


class _VerbFinder(pluggy.PluginManager):
    """Takes the verbs of a connector class as hook implementations, decorated or not."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        if name.startswith("__"):  # half of what there is, and pluggy looks long at each
            return None
        if isinstance(plugin, (AsyncConnector, SyncConnector)):
            if name in hookspecs.VERBS:
                return {} if _is_written(plugin, name) else None
            if not inspect.isroutine(getattr(type(plugin), name, None)):
                return None  # a property may open a connection
        return super().parse_hookimpl_opts(plugin, name)


def _functions(plugin: Any, name: str) -> dict[str, Callable[..., Any]]:
    """The verified verbs of `plugin`."""
    manager = _VerbFinder(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        text = " ".join(str(error).split())
        unknown = re.search(r"for hook '(\w+)'.*Argument\(s\) \{'(\w+)'.* can not be found in the hookspec", text)
        if unknown:
            verb, argument = unknown.groups()
            meant = nearest(argument, inspect.signature(getattr(hookspecs, verb)).parameters)
            hint = f"did you mean '{meant}'?" if meant else "a secret is a keyword argument: write `*, my_secret: str`"
            text = f"{verb} has no argument '{argument}'; {hint}"
        raise RegistrationError(f"{name}: {text}") from error
    verbs = {
        caller.name: implementation.function
        for caller in manager.get_hookcallers(plugin) or ()
        for implementation in caller.get_hookimpls()
    }
    functions = {verb: verbs[verb] for verb in hookspecs.VERBS if verb in verbs}
    _check_coherence(plugin, name, set(functions))
    return functions


def _check_coherence(plugin: Any, name: str, verbs: set[str]) -> None:
    if "do" in verbs and verbs != {"do"}:
        raise RegistrationError(f"{name} has do and {_listing(verbs - {'do'})}: a task type is either sync or async")
    missing = {"create", "get", "delete"} - verbs
    if "do" in verbs or not missing:
        return
    candidates = {attribute for attribute in dir(plugin) if not attribute.startswith("_")} - verbs - missing
    close = {match: verb for verb in missing if (match := nearest(verb, candidates))}
    hint = f" (is {_listing(close)} meant to be {_listing(close.values())}?)" if close else ""
    wanted = "do, or create, get and delete" if not verbs else _listing(missing)
    raise RegistrationError(f"{name} does not implement {wanted}{hint}")


def _listing(names: Any) -> str:
    return ", ".join(sorted(names))


def _is_written(plugin: object, verb: str) -> bool:
    function = getattr(type(plugin), verb, None)
    return function is not None and function not in _STUBS


def _name(plugin: Any) -> str:
    name = getattr(plugin, "name", None) or getattr(plugin, "__name__", None)
    return str(name or type(plugin).__name__)


def _category(plugin: Any, name: str) -> TaskCategory:
    task_type = getattr(plugin, "task_type_name", None)
    version = getattr(plugin, "task_type_version", 0)
    if not isinstance(task_type, str) or not task_type:
        message = f"{name} has no task_type_name: set it to the task type that it serves"
        raise RegistrationError(message)
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        message = f"{name} has task_type_version {version!r}: it must be a whole number from 0"
        raise RegistrationError(message)
    return TaskCategory(task_type, version)


def _check_hook_api(plugin: Any, name: str) -> None:
    wanted = getattr(plugin, "hook_api", hookspecs.HOOK_API)
    if wanted != hookspecs.HOOK_API:
        raise RegistrationError(
            f"{name} was written for hook API {wanted}, this flyte-connectors has "
            f"{hookspecs.HOOK_API}: install releases that match"
        )


def _metadata_type(plugin: Any, name: str) -> Any:
    metadata_type: Any = getattr(plugin, "metadata_type", None)
    if not (hasattr(metadata_type, "encode") and hasattr(metadata_type, "decode")):
        raise RegistrationError(f"{name} has no metadata_type: set it to its ResourceMeta class")
    if getattr(metadata_type.encode, "__module__", "") == "flyte_connectors.connector":
        try:
            _meta_codec.check(metadata_type)
        except TypeError as error:
            raise RegistrationError(f"{name}: {error}") from error
    return metadata_type


def _own_secrets(plugin: Any) -> frozenset[str]:
    if not isinstance(plugin, ConnectorSecretsMixin):
        return frozenset()
    return frozenset(secret.key for secret in plugin.secrets)


def _repeatable_create(plugin: Any, name: str, create: Callable[..., Any] | None) -> bool | Callable[[Any], bool]:
    """Whether `create` may be called twice for one key: as the connector says, else whether it takes a key.

    A bare `**kwargs` does not count: most connectors have it for secrets and future arguments.
    """
    stated = getattr(plugin, "repeatable_create", None)
    if isinstance(stated, bool):
        return stated
    if callable(stated) and not inspect.iscoroutinefunction(stated):
        return cast("Callable[[Any], bool]", stated)
    if stated is not None:
        raise RegistrationError(f"{name} has repeatable_create {stated!r}: it must be True, False or a plain function")
    return create is not None and "idempotency_key" in _named(create)


def _min_poll_interval(plugin: Any, name: str, *, has_get_many: bool) -> float:
    """Seconds for which an answer of `get_many` is kept."""
    seconds = getattr(plugin, "min_poll_interval", 0)
    text = "it must be a number of seconds from 0"
    if type(seconds) in (int, float) and 0 <= seconds < math.inf:
        if has_get_many or not seconds:
            return float(seconds)
        text = "that needs get_many, which it does not implement"
    raise RegistrationError(f"{name} has min_poll_interval {seconds!r}: {text}")


def _mode(function: Callable[..., Any]) -> Mode:
    if inspect.isasyncgenfunction(function):
        return Mode.ASYNC_GENERATOR
    if inspect.iscoroutinefunction(function):
        return Mode.COROUTINE
    return Mode.THREAD


def _accepts(function: Callable[..., Any]) -> frozenset[str] | None:
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return _named(function)


def _named(function: Callable[..., Any]) -> frozenset[str]:
    parameters = inspect.signature(function).parameters.values()
    any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return frozenset(one.name for one in parameters if one.kind not in any_number)
