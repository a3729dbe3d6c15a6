"""What a service may do in the namespace where the batch-job plugin runs its jobs, and no more."""

from __future__ import annotations

from typing import Any

from flyte_connectors_deploy.environment import ConnectorEnvironment
from flyte_connectors_deploy.roles import granted

_NAMESPACE = "FLYTE_BATCH_JOB_KUBERNETES_NAMESPACE"
_BACKEND = "FLYTE_BATCH_JOB_BACKEND"
_SPOOL = "FLYTE_BATCH_JOB_SPOOL"

_RULES: list[dict[str, list[str]]] = [
    {
        "apiGroups": ["batch"],
        "resources": ["jobs"],
        "verbs": ["create", "get", "list", "watch", "patch"],
    },
    # A job is cancelled by the deadline of its pod, which leaves its log.
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    # A job's own secrets; none is read. Who may create Jobs can have them read any Secret of the namespace anyway.
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
    # Where a quota is used up, only events say so.
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
]


def variables(environment: ConnectorEnvironment) -> dict[str, str]:
    """The variables that send batch jobs to the namespace for them, unless `env_vars` says otherwise."""
    if environment.batch_jobs_namespace is None:
        return {}
    ours = {_BACKEND: "kubernetes", _NAMESPACE: environment.batch_jobs_namespace}
    return {**ours, **environment.env_vars}


def need_directory(environment: ConnectorEnvironment, variable: str) -> bool:
    """Whether the service keeps jobs in the directory that a variable names."""
    return variable != _SPOOL or "local" in variables(environment).get(_BACKEND, "local")


def access_to_jobs(environment: ConnectorEnvironment) -> list[dict[str, Any]]:
    """The Role and its binding to the service's account; nothing without `batch_jobs_namespace`."""
    if environment.batch_jobs_namespace is None:
        return []
    return granted(environment, "batch-jobs", environment.batch_jobs_namespace, _RULES)
