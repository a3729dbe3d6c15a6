"""The configuration of Flyte's back end that sends tasks to a service.

Keys: `flyteplugins/go/tasks/plugins/webapi/connector/config.go` of flyteorg/flyte.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flyte_connectors._registry.discovery import load_plugins
from flyte_connectors._registry.table import process_registry

from flyte_connectors_deploy.environment import ConnectorEnvironment
from flyte_connectors_deploy.image import DISTRIBUTION
from flyte_connectors_deploy.sources import Sources

_BACK_END_PLUGIN = "connector-service"


def task_types(environment: ConnectorEnvironment, sources: Sources) -> tuple[str, ...]:
    """What the service will serve, as far as it is known here.

    That is what the included modules write out, and the plugins that are installed here too.
    """
    wanted = [f"{DISTRIBUTION}-{plugin}" for plugin in environment.plugins]
    reports = load_plugins(process_registry(), allow=wanted) if wanted else []
    installed = (bound.category.name for report in reports for bound in report.connectors)
    return tuple(sorted({*sources.task_types, *installed}))


def routing(environment: ConnectorEnvironment, types: Iterable[str]) -> dict[str, Any]:
    """The parts of the back end's configuration that name the service and its task types."""
    types = list(types)
    connector = {
        "endpoint": environment.endpoint,
        "insecure": True,
        "defaultTimeout": "20s",  # without it a hung call hangs for ever
    }
    return {
        "plugins": {
            _BACK_END_PLUGIN: {
                "supportedTaskTypes": types,
                "connectors": {environment.name: connector},
                "connectorForTaskTypes": dict.fromkeys(types, environment.name),
            }
        },
        "tasks": {
            "task-plugins": {
                "enabled-plugins": [_BACK_END_PLUGIN],
                "default-for-task-types": dict.fromkeys(types, _BACK_END_PLUGIN),
            }
        },
    }
