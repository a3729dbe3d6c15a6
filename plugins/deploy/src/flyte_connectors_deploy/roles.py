"""Rights of a service in a namespace: a Role, and its binding to the service's account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flyte_connectors_deploy.environment import ConnectorEnvironment

_GROUP = "rbac.authorization.k8s.io"


def granted(
    environment: ConnectorEnvironment, purpose: str, namespace: str, rules: Sequence[dict[str, list[str]]]
) -> list[dict[str, Any]]:
    """The objects that grant a service rights in a namespace.

    Args:
        environment: The service, which has a `service_account`.
        purpose: What they are for, for their names.
        namespace: Where they hold.
        rules: The rights.
    """
    metadata = {
        "name": f"{environment.name}-{purpose}",
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/name": "flyte-connectors",
            "app.kubernetes.io/instance": environment.name,
        },
    }
    account = {
        "kind": "ServiceAccount",
        "name": environment.service_account,
        "namespace": environment.namespace,
    }
    return [
        {"apiVersion": f"{_GROUP}/v1", "kind": "Role", "metadata": metadata, "rules": [*rules]},
        {
            "apiVersion": f"{_GROUP}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "subjects": [account],
            "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": metadata["name"]},
        },
    ]
