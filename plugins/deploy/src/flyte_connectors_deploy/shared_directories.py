"""Directories that all replicas share: directories for connectors that keep jobs on the service's disk."""

from __future__ import annotations

from collections.abc import Iterable

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_deploy.batch_jobs import need_directory
from flyte_connectors_deploy.environment import ConnectorEnvironment
from flyte_connectors_deploy.registered import Served

MOUNT = "/var/lib/flyte-connectors"
"""Where `shared_volume` is mounted."""


def shared_directories(environment: ConnectorEnvironment, connectors: Iterable[Served]) -> dict[str, str]:
    """The variables that name directories on the shared volume, and those that say that all share them.

    Args:
        environment: What is deployed.
        connectors: What it serves.

    Raises:
        InvalidRequestError: several replicas would each have their own.
    """
    local = [
        connector
        for connector in connectors
        if connector.directory_variable and need_directory(environment, connector.directory_variable)
    ]
    if environment.shared_volume is not None:
        directories = {
            connector.directory_variable: f"{MOUNT}/{connector.task_type}"
            for connector in local
            if connector.directory_variable not in environment.env_vars
        }
        shared = {f"{variable}_SHARED": "true" for variable in directories}
        return {**directories, **shared}
    replicas = environment.replicas
    most = replicas if isinstance(replicas, int) else replicas[1]
    if local and most > 1:
        names = ", ".join(f"{connector.name} ({connector.task_type})" for connector in local)
        message = (
            f"{most}, but the jobs of {names} live on the disk of one replica, and the others would "
            "not find them: set shared_volume to a PersistentVolumeClaim that all can write to "
            "(ReadWriteMany), or replicas=1"
        )
        raise InvalidRequestError(message, field="replicas")
    return {}
