"""The settings of the service and of the plugins: misspelt, unused, contradictory."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from flyte_connectors._registry.discovery import PluginReport
from flyte_connectors._registry.discovery import Status as LoadStatus
from flyte_connectors._registry.installed import Selection
from flyte_connectors.errors import SettingsError
from flyte_connectors.service.plugin_settings import PluginTables
from flyte_connectors.service.settings import (
    CONFIG_VARIABLE,
    FIELDS,
    PLUGINS,
    PREFIX,
    ServiceSettings,
    flag_of,
    read_file,
    variable_of,
)
from flyte_connectors.settings import declared

from flyte_connectors_doctor.finding import Finding, Status

CHECK = "settings"

OTHER_VARIABLES = frozenset(
    f"{PREFIX}{name}"
    for name in [
        "CONFIG",
        "ENDPOINT",
        "ENDPOINT_CA",
        "ENDPOINT_TOKEN",
        "GIVE_UP_AFTER",
        "OUTPUT_PREFIX",
        "SECRETS_DIR",
        "STATE_DIR",
        "WORKER",
    ]
)
"""Variables of the core that are not settings of the service."""

_OF_KUBERNETES = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)")
_LONGEST_GRACE = 300.0


def fault(error: SettingsError) -> Finding:
    """The finding for what keeps the service from starting."""
    where, _, text = error.message.partition(": ")
    if error.field:
        where, text = error.field, error.message.removeprefix(f"{error.field}: ")
    return Finding(CHECK, Status.FAULT, where, text, "correct or remove it")


def check(settings: ServiceSettings, config: str | None, reports: Sequence[PluginReport]) -> Iterator[Finding]:
    """Findings about the file, the variables and what they say together."""
    path = config or os.environ.get(CONFIG_VARIABLE)
    selection = Selection.of(settings.allow, settings.deny)
    tables: PluginTables | None = None
    try:
        tables = PluginTables(selection, config=path)
        file = read_file(path) if path else {}
    except SettingsError as error:
        yield fault(error)
        file = {}
    problems = [
        *_overridden(file, path),
        *_unused(file, path, tables),
        *_contradictions(settings, reports),
    ]
    yield from problems
    if not problems and tables is not None:
        text = "readable, spelt as known, without contradictions"
        yield Finding(CHECK, Status.OK, path or "environment", text)


def _overridden(file: dict[str, Any], path: str | None) -> Iterator[Finding]:
    for key in file:
        variable = variable_of(key.replace("-", "_"))
        if variable in os.environ:
            text = f"is also set by {variable}, which wins"
            fix = "remove one of the two"
            yield Finding(CHECK, Status.WARNING, f"{path}: {key}", text, fix)


def _unused(file: dict[str, Any], path: str | None, tables: PluginTables | None) -> Iterator[Finding]:
    classes = {} if tables is None else tables.classes
    known = {variable_of(name) for name in FIELDS} | OTHER_VARIABLES
    known |= {one.variable for plugin in classes.values() for one in declared(plugin)}
    prefixes = (PREFIX, *(plugin.variable_prefix for plugin in classes.values()))
    for variable in sorted(os.environ):
        is_ours = variable.startswith(prefixes) and not _OF_KUBERNETES.fullmatch(variable)
        if is_ours and variable not in known:
            text = "is read by no installed plugin that is loaded"
            fix = "correct the name, install or allow its plugin, or unset it"
            yield Finding(CHECK, Status.WARNING, variable, text, fix)
    for name in file.get(PLUGINS, {}):
        if tables is not None and name.replace("_", "-") not in classes:
            where, text = f"{path}: [{PLUGINS}.{name}]", "is unused: its plugin is excluded"
            fix = "remove it, or allow the plugin"
            yield Finding(CHECK, Status.WARNING, where, text, fix)


def _contradictions(settings: ServiceSettings, reports: Sequence[PluginReport]) -> Iterator[Finding]:
    both = set(settings.allow or ()) & set(settings.deny or ())
    for name in sorted(both):
        text = "is on the allow-list and on the deny-list, which wins"
        yield Finding(CHECK, Status.WARNING, name, text, "remove it from one of them")
    if settings.is_public and not settings.tls_cert:
        text = f"is {settings.host}, and there is no certificate: the network can read secrets of tasks"
        fix = "set tls-cert and tls-key, or let only Flyte's back end reach the port"
        yield Finding(CHECK, Status.WARNING, flag_of("host"), text, fix)
    if settings.auth_token_file and not settings.tls_cert:
        text = "sends tokens in plaintext, because there is no certificate"
        fix = "set tls-cert and tls-key"
        yield Finding(CHECK, Status.WARNING, flag_of("auth_token_file"), text, fix)
    if settings.port == settings.metrics_port and settings.port:
        text = f"is {settings.port}, as is --metrics-port"
        yield Finding(CHECK, Status.FAULT, flag_of("port"), text, "choose different ports")
    if settings.event_loop == "uvloop" and importlib.util.find_spec("uvloop") is None:
        fix = "pip install flyte-connectors[uvloop], or set it to auto"
        yield Finding(CHECK, Status.FAULT, flag_of("event_loop"), "uvloop is not installed", fix)
    if settings.grace > _LONGEST_GRACE:
        text = f"is {settings.grace:g} s: supervisors kill what takes that long to stop"
        fix = "lower it, or raise terminationGracePeriodSeconds or TimeoutStopSec above it"
        yield Finding(CHECK, Status.WARNING, flag_of("grace"), text, fix)
    jobs_here = any(
        getattr(bound.plugin, "jobs_run_as_service_user", False)
        for report in reports
        if report.status is LoadStatus.LOADED
        for bound in report.connectors
    )
    if settings.allowed_endpoints == () and not jobs_here:
        text = "is empty, so requests may name no endpoint at all"
        fix = "list the endpoints of the tasks, or leave it unset"
        yield Finding(CHECK, Status.WARNING, flag_of("allowed_endpoints"), text, fix)
