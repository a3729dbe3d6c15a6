"""What a service may read in the namespaces of projects: one Secret each, for the plugin `kubernetes`."""

from __future__ import annotations

from typing import Any

from flyte_connectors_deploy.environment import ConnectorEnvironment
from flyte_connectors_deploy.roles import granted

_OBJECT = "FLYTE_CONNECTORS_KUBERNETES_SECRETS_OBJECT"
_VARIABLES = {
    "FLYTE_CONNECTORS_SECRETS_BY": "project",
    "FLYTE_CONNECTORS_KUBERNETES_SECRETS_NAMESPACE": "{project}-{domain}",
    _OBJECT: "connector-secrets",
}


def variables(environment: ConnectorEnvironment) -> dict[str, str]:
    """The variables that have secrets read from the namespaces of projects, unless `env_vars` says otherwise."""
    return {**_VARIABLES, **environment.env_vars} if environment.secret_namespaces else {}


def access_to_secrets(environment: ConnectorEnvironment) -> list[dict[str, Any]]:
    """For each of `secret_namespaces`, a Role and its binding to the service's account."""
    name = variables(environment).get(_OBJECT, "")
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [name], "verbs": ["get"]}
    found = (granted(environment, "secrets", namespace, [rule]) for namespace in environment.secret_namespaces)
    return [one for objects in found for one in objects]
