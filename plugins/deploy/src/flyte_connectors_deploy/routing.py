"""The configuration of Flyte's back end that sends tasks to a service.

Keys: `flyteplugins/go/tasks/plugins/webapi/connector/config.go` of flyteorg/flyte.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

from flyte_connectors._registry.discovery import load_plugins
from flyte_connectors._registry.table import process_registry

from flyte_connectors_deploy.environment import ConnectorEnvironment
from flyte_connectors_deploy.image import DISTRIBUTION
from flyte_connectors_deploy.registered import Served
from flyte_connectors_deploy.sources import Sources

_BACK_END_PLUGIN = "connector-service"


def served(environment: ConnectorEnvironment, sources: Sources) -> list[Served]:
    """The connectors that the service will have, as far as they are known here.

    Those are the included modules' and those of the plugins that are installed here, too.
    """
    wanted = [f"{DISTRIBUTION}-{re.sub(r'[-_.]+', '-', name).lower()}" for name in environment.plugins]
    reports = load_plugins(process_registry(), allow=wanted) if wanted else []
    missing = set(wanted) - {report.distribution for report in reports}
    if missing:
        text = (
            f"not installed here: {', '.join(sorted(missing))}; so their task types, and whether "
            "they need a shared volume, are unknown"
        )
        print(text, file=sys.stderr)  # noqa: T201  (like the rest of the progress)
    installed = [Served.of(bound) for report in reports for bound in report.connectors]
    return [*sources.connectors, *installed]


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
