"""The Kubernetes objects of an environment, as plain data.

    manifests ── Deployment ── container (probes, secrets, security)
              ├─ Service               headless: each client sees every replica
              ├─ HorizontalPodAutoscaler   where `replicas` is a range
              ├─ PodDisruptionBudget
              ├─ NetworkPolicy
              ├─ Role, RoleBinding     where it runs batch jobs, and where it reads the secrets of projects
              └─ ServiceMonitor            where it is asked for

Reference: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flyte_connectors.secrets import DEFAULT_DIRECTORY

from flyte_connectors_deploy import batch_jobs, project_secrets
from flyte_connectors_deploy.containerfile import USER
from flyte_connectors_deploy.environment import ConnectorEnvironment, variable_of
from flyte_connectors_deploy.kubernetes_values import container_resources
from flyte_connectors_deploy.shared_directories import MOUNT

Object = dict[str, Any]

# Seconds between the decision to end a pod and SIGTERM: meanwhile proxies and DNS learn of it.
_BEFORE_GRACE = 5
_AFTER_GRACE = 10  # seconds that the process has for its own end, after the calls'
# Seconds between two pods of a roll. gRPC clients resolve names at most every 30 s: in a faster roll
# all the pods that a client knows could be gone before it may ask for the new ones.
_BETWEEN_PODS = 35
_CPU_TARGET = 70  # percent of the request


def manifests(
    environment: ConnectorEnvironment,
    image: str,
    modules: tuple[str, ...] = (),
    directories: Mapping[str, str] = MappingProxyType({}),
) -> list[Object]:
    """Every object of `environment`.

    Args:
        environment: What is deployed.
        image: Reference of its image.
        modules: Modules in the image that are served besides its plugins.
        directories: Variables that name directories on the shared volume.
    """
    objects = [
        _service(environment),
        _deployment(environment, image, modules, directories),
        _disruption_budget(environment),
        _network_policy(environment),
        *batch_jobs.access_to_jobs(environment),
        *project_secrets.access_to_secrets(environment),
    ]
    if isinstance(environment.replicas, tuple):
        objects.append(_autoscaler(environment))
    if environment.service_monitor:
        objects.append(_service_monitor(environment))
    return objects


def _labels(environment: ConnectorEnvironment) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "flyte-connectors",
        "app.kubernetes.io/instance": environment.name,
    }


def _object(environment: ConnectorEnvironment, version: str, kind: str, spec: Object) -> Object:
    metadata = {
        "name": environment.name,
        "namespace": environment.namespace,
        "labels": _labels(environment),
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _deployment(
    environment: ConnectorEnvironment,
    image: str,
    modules: tuple[str, ...],
    directories: Mapping[str, str],
) -> Object:
    labels = _labels(environment)
    spec: Object = {
        "selector": {"matchLabels": labels},
        "minReadySeconds": _BETWEEN_PODS,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "template": {
            "metadata": {"labels": labels},
            "spec": _pod(environment, image, modules, directories),
        },
    }
    if isinstance(environment.replicas, int):  # else the autoscaler's number would be overwritten
        spec = {"replicas": environment.replicas, **spec}
    return _object(environment, "apps/v1", "Deployment", spec)


def _pod(
    environment: ConnectorEnvironment,
    image: str,
    modules: tuple[str, ...],
    directories: Mapping[str, str],
) -> Object:
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": _labels(environment)},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    pod: Object = {
        # Else a Service called flyte-connectors sets variables that look like settings.
        "enableServiceLinks": False,
        "automountServiceAccountToken": environment.service_account is not None,
        "terminationGracePeriodSeconds": (_BEFORE_GRACE + math.ceil(environment.grace) + _AFTER_GRACE),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": spread,
        "containers": [_container(environment, image, modules, directories)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *_secret_volumes(environment)],
    }
    if environment.shared_volume is not None:
        claim = {"claimName": environment.shared_volume}
        pod["volumes"].append({"name": "shared", "persistentVolumeClaim": claim})
    if environment.service_account is not None:
        pod["serviceAccountName"] = environment.service_account
    return pod


def _container(
    environment: ConnectorEnvironment,
    image: str,
    modules: tuple[str, ...],
    directories: Mapping[str, str],
) -> Object:
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108  (the pod's own)
    if environment.mounted_secrets:
        mounts.append({"name": "secrets", "mountPath": DEFAULT_DIRECTORY, "readOnly": True})
    if environment.shared_volume is not None:
        mounts.append({"name": "shared", "mountPath": MOUNT})
    return {
        "name": "service",
        "image": image,
        "command": ["flyte-connectors"],  # said here, as not every builder can say it in the image
        "args": _arguments(environment, modules),
        "env": _variables(environment, directories),
        "ports": [
            {"name": "grpc", "containerPort": environment.port},
            {"name": "metrics", "containerPort": environment.metrics_port},
        ],
        "resources": container_resources(environment.resources),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(_BEFORE_GRACE)]}}},
        "startupProbe": {
            "grpc": {"port": environment.port},
            "periodSeconds": 1,
            "failureThreshold": 60,
        },
        "readinessProbe": {"grpc": {"port": environment.port}, "periodSeconds": 5},
        # Not the gRPC health: a restart helps a process that hangs, not one that drains.
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "metrics"}, "periodSeconds": 10},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }


def _arguments(environment: ConnectorEnvironment, modules: tuple[str, ...]) -> list[str]:
    arguments = ["serve", "--host", "0.0.0.0"]  # noqa: S104  (the NetworkPolicy limits the clients)
    arguments += ["--port", str(environment.port), "--metrics-port", str(environment.metrics_port)]
    arguments += ["--grace", f"{environment.grace:g}", "--log-format", "json"]
    for module in modules:
        arguments += ["--module", module]
    return arguments


def _variables(environment: ConnectorEnvironment, directories: Mapping[str, str]) -> list[Object]:
    values = {
        **batch_jobs.variables(environment),
        **project_secrets.variables(environment),
        **environment.env_vars,
        **directories,
    }
    plain = [{"name": name, "value": str(value)} for name, value in values.items()]
    secret = [
        {
            "name": variable_of(secret),
            "valueFrom": {"secretKeyRef": {"name": environment.secret_group(secret), "key": secret.key}},
        }
        for secret in environment.mounted_secrets
    ]
    return plain + secret


def _secret_volumes(environment: ConnectorEnvironment) -> list[Object]:
    sources = [
        {
            "secret": {
                "name": environment.secret_group(secret),
                "items": [{"key": secret.key, "path": secret.key}],
            }
        }
        for secret in environment.mounted_secrets
    ]
    projected = {"defaultMode": 0o440, "sources": sources}
    return [{"name": "secrets", "projected": projected}] if sources else []


def _service(environment: ConnectorEnvironment) -> Object:
    spec = {
        "clusterIP": "None",
        "selector": _labels(environment),
        "ports": [
            {"name": "grpc", "port": environment.port, "targetPort": "grpc"},
            {"name": "metrics", "port": environment.metrics_port, "targetPort": "metrics"},
        ],
    }
    return _object(environment, "v1", "Service", spec)


def _autoscaler(environment: ConnectorEnvironment) -> Object:
    least, most = environment.replicas  # type: ignore[misc]  # the caller knows it is a pair
    target = {"type": "Utilization", "averageUtilization": _CPU_TARGET}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": environment.name},
        "minReplicas": least,
        "maxReplicas": most,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return _object(environment, "autoscaling/v2", "HorizontalPodAutoscaler", spec)


def _disruption_budget(environment: ConnectorEnvironment) -> Object:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(environment)}}
    return _object(environment, "policy/v1", "PodDisruptionBudget", spec)


def _network_policy(environment: ConnectorEnvironment) -> Object:
    callers = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        for namespace in environment.clients
    ]
    spec = {
        "podSelector": {"matchLabels": _labels(environment)},
        "policyTypes": ["Ingress"],  # where connectors call out to is not known here
        "ingress": [
            {"from": callers, "ports": [{"port": "grpc", "protocol": "TCP"}]},
            {
                "from": [{"namespaceSelector": {}}],
                "ports": [{"port": "metrics", "protocol": "TCP"}],
            },
        ],
    }
    return _object(environment, "networking.k8s.io/v1", "NetworkPolicy", spec)


def _service_monitor(environment: ConnectorEnvironment) -> Object:
    spec = {
        "selector": {"matchLabels": _labels(environment)},
        "endpoints": [{"port": "metrics", "path": "/metrics"}],
    }
    return _object(environment, "monitoring.coreos.com/v1", "ServiceMonitor", spec)
