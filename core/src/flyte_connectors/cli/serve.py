"""`flyte-connectors serve`: host every installed connector in one gRPC service."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from flyte_connectors._registry.discovery import PluginReport, Status, load_module, load_plugins
from flyte_connectors._registry.installed import Selection
from flyte_connectors._registry.plugin_hooks import hooks_of
from flyte_connectors._registry.table import Registry, process_registry, registering_for
from flyte_connectors.errors import ServiceStartError, SettingsError
from flyte_connectors.service.log_format import configure_logging
from flyte_connectors.service.plugin_settings import PluginTables, installed_settings
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import (
    CONFIG_VARIABLE,
    FIELDS,
    WORKER_VARIABLE,
    ServiceSettings,
    as_toml,
    flag_of,
    parse_setting,
    read_settings,
    variable_of,
)
from flyte_connectors.service.shared_user import close_memory, warn_of_shared_credentials
from flyte_connectors.settings import declared


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `serve`: one for each setting."""
    add = parser.add_argument
    add("--config", metavar="F", help=f"TOML file with settings ({CONFIG_VARIABLE})")
    add("--print-config", action="store_true", help="print the settings in force and exit")
    for name, field in FIELDS.items():
        metadata = field.metadata
        default = "" if field.default in (None, False, ()) else f"default {field.default}; "
        text = f"{metadata['help']} ({default}{variable_of(name)})"
        given: dict[str, Any] = {"default": argparse.SUPPRESS, "help": text}
        if isinstance(field.default, bool):
            add(flag_of(name), action="store_true", **given)
            continue
        given["metavar"] = metadata["metavar"]
        if metadata["choices"]:
            given["choices"] = metadata["choices"]
        if metadata["many"]:
            given["action"] = "extend"
            given["help"] = f"{text}; repeatable"
        add(flag_of(name), type=_parser_of(name), **given)
    for settings in installed_settings(Selection.of()).values():
        for one in declared(settings):
            if one.metadata["option"]:
                given = {"action": "store_const", "const": "true"} if one.default is False else {}
                text = f"{one.metadata['help']} ({one.variable})"
                add(one.metadata["option"], dest=one.variable, help=text, **given)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends the process."""
    close_memory()
    given = {name: value for name, value in vars(options).items() if name in FIELDS}
    flags = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    settings, sources = read_settings(flags, config=options.config)
    of_plugins = {key: text for key, text in vars(options).items() if key.isupper() and text}
    selection = Selection.of(settings.allow, settings.deny)
    plugins = PluginTables(selection, {**os.environ, **of_plugins}, options.config)
    if options.print_config:
        print(as_toml(settings, sources) + plugins.as_toml(), end="")
        return 0
    plugins.export()
    if settings.allowed_endpoints is not None:
        from flyte_connectors import endpoints  # only with a list

        os.environ[endpoints.VARIABLE] = ",".join(settings.allowed_endpoints)
    configure_logging(settings)
    is_worker = WORKER_VARIABLE in os.environ
    if settings.workers > 1 and not is_worker:
        from flyte_connectors.service.workers import supervise  # only for several

        return supervise(settings)
    run_loop = _loop_runner(settings.event_loop)
    registry = process_registry()
    _check_denied(settings, sources["deny"])
    reports = _load(registry, settings)
    # What was loaded lives as long as the process: no collection has to look at it again.
    gc.collect()
    gc.freeze()
    service = ConnectorService(registry, settings, reports, shared_port=is_worker)

    def started() -> None:
        _announce(service.summary)
        if os.environ.get(WORKER_VARIABLE, "0") == "0":  # once for all workers
            warn_of_shared_credentials(list(registry), settings)

    run_loop(service.serve_until_signal(started))
    if service.left_running:
        # Python would wait for the threads of calls that are stuck, for longer than the grace time.
        logging.shutdown()
        os._exit(0)
    return 0


def _announce(summary: str) -> None:
    """Print where the service listens; a closed standard output does not stop it."""
    with contextlib.suppress(OSError):
        print(summary, flush=True)


def _loop_runner(name: str) -> Callable[[Coroutine[Any, Any, None]], None]:
    if name == "asyncio":
        return asyncio.run
    try:
        import uvloop  # the extra [uvloop]
    except ImportError:
        if name == "auto":
            return asyncio.run
        text = "uvloop is not installed: pip install flyte-connectors[uvloop], or use asyncio"
        raise SettingsError(text, field=flag_of("event_loop")) from None
    runner: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return runner


def _check_denied(settings: ServiceSettings, source: str) -> None:
    """Refuse to start if a name in --deny matches no plugin: it is probably misspelt.

    Raises:
        SettingsError: a name matches no installed plugin.
    """
    unknown = Selection(denied=Selection.of((), settings.deny).denied).unknown()
    if not unknown or settings.lenient:
        return
    names = ", ".join(
        f"'{name}'" + (f" (did you mean '{similar}'?)" if similar else "") for name, similar in unknown.items()
    )
    text = f"no installed plugin is called {names}. Correct or remove it, or start anyway with --lenient"
    where = variable_of("deny") if source == "default" else source
    raise SettingsError(text, field=where)


def _load(registry: Registry, settings: ServiceSettings) -> list[PluginReport]:
    registry.selection = Selection.of(settings.allow, settings.deny)
    for name in settings.module:
        from flyte_connectors._registry.user_modules import import_module

        with registering_for(name):
            module = import_module(name)
        if not load_module(registry, module, name) and not hooks_of(module):
            text = "registers no connector: call ConnectorRegistry.register in it"
            raise ServiceStartError(f"--module {name}: {text}")
    reports = load_plugins(registry, allow=settings.allow, deny=settings.deny)
    for report in reports:
        if report.status in (Status.SHADOWED, Status.UNAVAILABLE):
            origin = f"{report.entry_point} ({report.source})"
            print(f"{report.status.value}: {origin}: {report.reason}", file=sys.stderr)
    failed = [report for report in reports if report.status is Status.FAILED]
    if failed:
        reasons = "; ".join(f"{r.entry_point} ({r.source}): {r.reason}" for r in failed)
        if not settings.lenient:
            raise ServiceStartError(
                f"plugins failed to load: {reasons}. Fix them, exclude them with --deny, or start anyway with --lenient"
            )
        print(f"failed to load: {reasons}", file=sys.stderr)
    return reports


def _parser_of(name: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return parse_setting(name, text, flag_of(name))
        except SettingsError as error:
            raise argparse.ArgumentTypeError(error.message.partition(": ")[2]) from None

    return parse
