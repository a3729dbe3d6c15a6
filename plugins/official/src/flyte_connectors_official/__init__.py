"""Runs connectors of the official Flyte SDKs (`flyte`, `flytekit`) in our service, and ours in theirs.

hosting/                 their connectors, hosted unchanged by `flyte-connectors serve`
flyte_1/                 the services that Flyte 1's back end asks for besides those of Flyte 2
flytekit_names/          what `import flytekit` finds where flytekit is not installed
shim_tasks.py            tasks that run from their serialized template, in a container
offering/                our connectors and tasks, for the service and the deployments of `flyte`
stand_in/                commands and imports of `flyte`, for environments without it
official_references.py   converts files, folders and tables of `flyte` to ours, and back

An SDK is imported only where one of its connectors is already there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_connectors import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors.hookspecs import Commands
    from flyte_connectors.service.server import ConnectorService

__all__ = ["adapt", "grpc_services", "importable_names", "register_commands"]


@hookimpl
def register_commands(commands: Commands) -> None:
    """Add the command of the containers of shim tasks."""
    text = "run a serialized task (used inside containers)"
    commands.add("execute", help=text, module="flyte_connectors_official.cli.execute")


@hookimpl
def adapt(plugin: Any) -> Any:
    """Host a connector of the official SDKs, or those that a module has registered with them."""
    from flyte_connectors_official.hosting import adapter

    return adapter.adapt(plugin)


@hookimpl
def grpc_services(service: ConnectorService) -> Mapping[str, Any]:
    """Serve Flyte 1's back end: quick answers by ExecuteTaskSync, and the agents with `is_sync`."""
    from flyte_connectors_official.flyte_1 import services

    return services.grpc_services(service)


@hookimpl
def importable_names() -> Mapping[str, Mapping[str, str]]:
    """Names of flytekit, where it is not installed."""
    from flyte_connectors_official.flytekit_names import modules

    return modules.MODULES
