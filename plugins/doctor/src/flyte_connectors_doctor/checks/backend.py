"""The configuration of Flyte's back end: whether its four lists agree with what the service serves.

A task type reaches the service only if it is in all of them: `supportedTaskTypes`, `connectorForTaskTypes`,
`default-for-task-types`, and `enabled-plugins` with the plugin itself. Charts nest them at different
places, so they are looked for at any depth. Keys: `flyteplugins/go/tasks/plugins/webapi/connector/config.go`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from flyte_connectors_doctor.finding import Finding, Status

CHECK = "back end"
PLUGIN = "connector-service"
FLYTE_1_PLUGIN = "agent-service"
_LISTS = {
    "supportedTaskTypes": "supportedAgentTaskTypes",
    "connectors": "agents",
    "connectorForTaskTypes": "agentForTaskTypes",
    "defaultConnector": "defaultAgent",
}
"""The keys of Flyte 2, and those of Flyte 1."""


def check(file: str, types: set[str] | None, *, has_tls: bool) -> Iterator[Finding]:
    """Findings about a back end's configuration.

    Args:
        file: YAML: the values of a chart, or the configuration itself.
        types: Task types that the service serves; None if they are unknown.
        has_tls: Whether the service has a certificate.
    """
    try:
        documents = list(yaml.safe_load_all(Path(file).read_text(encoding="utf-8")))
    except OSError as error:
        text = f"can't be read: {error.strerror}"
        yield Finding(CHECK, Status.FAULT, file, text, "correct the path")
        return
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        text = f"is not YAML: {' '.join(str(error).split())[:200]}"
        yield Finding(CHECK, Status.FAULT, file, text, "correct the line")
        return
    found = list(_problems(documents, file, types, has_tls=has_tls))
    yield from found
    if not found and types is not None:
        yield Finding(CHECK, Status.OK, file, f"sends {', '.join(sorted(types))} to the service")


def _problems(documents: Any, file: str, types: set[str] | None, *, has_tls: bool) -> Iterator[Finding]:
    name, plugin = _plugin(documents)
    if plugin is None:
        text = f"has no plugins.{PLUGIN}"
        fix = "add the snippet of docs/operate.md (`flyte-connectors deploy` prints yours)"
        yield Finding(CHECK, Status.FAULT, file, text, fix)
        return
    tasks = _find(documents, "task-plugins") or {}
    enabled = tasks.get("enabled-plugins") or []
    if name not in enabled:
        fix = f"add {name} to tasks.task-plugins.enabled-plugins"
        yield Finding(CHECK, Status.FAULT, "enabled-plugins", f"lacks {name}", fix)
    supported: set[str] = set(_of(plugin, "supportedTaskTypes") or ())
    defaults = tasks.get("default-for-task-types") or {}
    chosen = _of(plugin, "connectorForTaskTypes") or {}
    for task_type in sorted(types or ()):
        yield from _missing(task_type, supported, defaults, chosen, name)
    if types is not None:
        listed = supported | {t for t, of in defaults.items() if of == name} | set(chosen)
        for task_type in sorted(listed - types):
            text = "is listed, and the service does not serve it: its tasks fail"
            fix = "install its plugin in the service, or remove it from the lists"
            yield Finding(CHECK, Status.FAULT, task_type, text, fix)
    yield from _connectors(plugin, set(chosen.values()), has_tls=has_tls)


def _missing(task_type: str, supported: set[str], defaults: Any, chosen: Any, name: str) -> Iterator[Finding]:
    lists = {
        "supportedTaskTypes": (task_type in supported, f"add it to plugins.{name}"),
        "default-for-task-types": (
            defaults.get(task_type) == name,
            f"add `{task_type}: {name}` to tasks.task-plugins.default-for-task-types",
        ),
        "connectorForTaskTypes": (
            task_type in chosen,
            f"add it to plugins.{name}: without it a missed poll sends its tasks nowhere",
        ),
    }
    for where, (is_there, fix) in lists.items():
        if not is_there:
            text = f"is served, and not in {where}"
            yield Finding(CHECK, Status.FAULT, task_type, text, fix)


def _connectors(plugin: Any, used: set[str], *, has_tls: bool) -> Iterator[Finding]:
    connectors = dict(_of(plugin, "connectors") or {})
    for name in sorted(used - connectors.keys()):
        text = "is named by connectorForTaskTypes, and not defined in connectors"
        yield Finding(CHECK, Status.FAULT, name, text, "define it, with its endpoint")
    default = _of(plugin, "defaultConnector")
    if isinstance(default, Mapping) and default.get("endpoint"):
        connectors["defaultConnector"] = default
    for name, given in connectors.items():
        connector = given or {}
        endpoint = str(connector.get("endpoint") or "")
        if not endpoint:
            fix = "set it, such as dns:///flyte-connectors.flyte.svc.cluster.local:8000"
            yield Finding(CHECK, Status.FAULT, name, "has no endpoint", fix)
            continue
        if not endpoint.startswith("dns:///"):
            text = f"{endpoint} does not begin with dns:///, so all calls go to one replica"
            yield Finding(CHECK, Status.WARNING, name, text, f"write dns:///{endpoint}")
        if bool(connector.get("insecure")) == has_tls:
            text = (
                "says insecure: true, and the service uses TLS"
                if has_tls
                else ("does not say insecure: true, and the service has no certificate")
            )
            fix = "remove insecure" if has_tls else "add insecure: true, or give the service a certificate"
            yield Finding(CHECK, Status.FAULT, name, text, fix)
        if connector.get("project") and not connector.get("domain"):
            text = "has a project and no domain, so the back end never chooses it"
            yield Finding(CHECK, Status.FAULT, name, text, "add the domain, or remove the project")
        if not connector.get("defaultTimeout") and name != "defaultConnector":
            text = "has no defaultTimeout: a call that hangs, hangs for ever"
            yield Finding(CHECK, Status.WARNING, name, text, "add defaultTimeout: 20s")


def _plugin(documents: Any) -> tuple[str, Mapping[str, Any] | None]:
    for name in (PLUGIN, FLYTE_1_PLUGIN):
        found = _find(documents, name)
        if found is not None:
            return name, found
    return PLUGIN, None


def _of(plugin: Mapping[str, Any], key: str) -> Any:
    return plugin.get(key, plugin.get(_LISTS[key]))


def _find(value: Any, key: str) -> Mapping[str, Any] | None:
    """The first mapping under a key, at any depth; texts with YAML inside are read, too."""
    if isinstance(value, str) and f"{key}:" in value:
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            return None
    if isinstance(value, Mapping):
        found = value.get(key)
        if isinstance(found, Mapping):
            return found
        children = list(value.values())
    else:
        children = list(value) if isinstance(value, list) else []
    return next((found for child in children if (found := _find(child, key)) is not None), None)
