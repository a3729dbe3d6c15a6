"""The Kubernetes objects: valid in each minor, safe by default, in step with the settings."""

from __future__ import annotations

import pathlib
from typing import Any

import kubernetes_validate
import pytest
from flyte_connectors import ConnectorEnvironment, Resources, Secret
from flyte_connectors.service.settings import FIELDS, flag_of

from flyte_connectors_deploy.manifests import manifests

MINORS = ["1.27", "1.29", "1.31", "1.33", "1.35", "1.37"]
FULL = ConnectorEnvironment(
    name="connectors",
    plugins=["bigquery"],
    resources=Resources(cpu=("500m", "2"), memory="1Gi", gpu=1, disk="1Gi"),
    secrets=["plain", Secret("key.json", group="google", as_env_var="GOOGLE_KEY")],
    env_vars={"REGION": "eu", "ON": "true"},
    service_account="bigquery-reader",
    batch_jobs_namespace="jobs",
    secret_namespaces=["team-a-production", "team-b-production"],
    service_monitor=True,
    grace=45.5,
)
SMALL = ConnectorEnvironment(name="small", replicas=1)


def _objects(environment: ConnectorEnvironment) -> dict[str, dict[str, Any]]:
    made = manifests(environment, "registry.example.org/connectors@sha256:0", ("mine.connector",))
    return {made["kind"]: made for made in made}


def _pod(environment: ConnectorEnvironment) -> dict[str, Any]:
    pod: dict[str, Any] = _objects(environment)["Deployment"]["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("environment", [FULL, SMALL], ids=["full", "small"])
def test_objects_are_valid(environment: ConnectorEnvironment, minor: str) -> None:
    """By the strict schemas of Kubernetes, which know no field that it would ignore."""
    for kind, made in _objects(environment).items():
        if kind != "ServiceMonitor":  # a custom resource: Kubernetes has no schema for it
            kubernetes_validate.validate(made, minor, strict=True)


def test_the_schemas_would_find_a_fault() -> None:
    """A misspelled field is refused."""
    made = _objects(SMALL)["Deployment"]
    made["spec"]["template"]["spec"]["terminationGracePeriod"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(made, MINORS[0], strict=True)


def test_objects_belong_together() -> None:
    """Selectors match the pods' labels, ports have the names that others ask for."""
    objects = _objects(FULL)
    template = objects["Deployment"]["spec"]["template"]
    labels, container = template["metadata"]["labels"], template["spec"]["containers"][0]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["metadata"]["labels"] == labels
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in objects["Service"]["spec"]["ports"]} <= ports
    rules = objects["NetworkPolicy"]["spec"]["ingress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} <= ports
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "connectors"


def test_the_pod_is_given_nothing_that_it_does_not_need() -> None:
    """No root, no writable disk but /tmp, no capability, no token of the API server."""
    pod = _pod(SMALL)
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 1000
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]


def test_kubernetes_waits_for_longer_than_the_service_drains() -> None:
    """The pod's time to end is over `--grace`, and what is slept before SIGTERM."""
    pod = _pod(FULL)
    arguments = pod["containers"][0]["args"]
    assert float(arguments[arguments.index("--grace") + 1]) == 45.5
    _, before = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] >= int(before) + 45.5 + 10


def test_a_roll_is_not_faster_than_clients_learn_of_new_pods() -> None:
    """A gRPC client resolves a name at most every 30 s, and a new pod is there before an old one goes."""
    spec = _objects(FULL)["Deployment"]["spec"]
    assert spec["minReadySeconds"] > 30
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_flags_are_those_of_serve() -> None:
    """Each exists, and each included module has one of its own; the image need not know the command."""
    assert _pod(FULL)["containers"][0]["command"] == ["flyte-connectors"]
    arguments = _pod(FULL)["containers"][0]["args"]
    flags = [argument for argument in arguments if argument.startswith("--")]
    assert set(flags) <= {flag_of(name) for name in FIELDS}
    assert arguments[-2:] == ["--module", "mine.connector"]


def test_secrets_are_files_and_variables_of_the_groups_secret() -> None:
    """By reference: no value is in a manifest."""
    container = _pod(FULL)["containers"][0]
    variables = {entry["name"]: entry for entry in container["env"]}
    reference = variables["GOOGLE_KEY"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "google", "key": "key.json"}
    assert variables["PLAIN"]["valueFrom"]["secretKeyRef"]["name"] == "connectors-secrets"
    (volume,) = (v for v in _pod(FULL)["volumes"] if v["name"] == "secrets")
    files = [item["path"] for s in volume["projected"]["sources"] for item in s["secret"]["items"]]
    assert files == ["plain", "key.json"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts["secrets"] == str(pathlib.PurePosixPath("/etc/flyte/secrets"))


def test_an_autoscaler_is_not_overruled() -> None:
    """A Deployment with a range has no number that each apply would set again."""
    assert "replicas" not in _objects(FULL)["Deployment"]["spec"]
    scaler = _objects(FULL)["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
    assert _objects(SMALL)["Deployment"]["spec"]["replicas"] == 1
    assert "HorizontalPodAutoscaler" not in _objects(SMALL)


def test_only_the_named_namespaces_may_call() -> None:
    """The gRPC port is closed to others; an empty list, which opens it, can't be had."""
    callers = _objects(FULL)["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    assert callers == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "flyte"}}}]


def test_batch_jobs_need_rights_in_their_namespace_alone() -> None:
    """And no others: no Secrets to read, no pods of its own, nothing of the cluster's."""
    made = manifests(FULL, "image")
    role, binding = (one for one in made if one["metadata"]["name"] == "connectors-batch-jobs")
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "jobs"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "bigquery-reader", "namespace": "flyte"}]
    rights = {(kind, verb) for rule in role["rules"] for kind in rule["resources"] for verb in rule["verbs"]}
    assert ("pods", "create") not in rights
    assert {kind for kind, _ in rights} == {"jobs", "pods", "pods/log", "secrets", "events"}
    assert {verb for kind, verb in rights if kind == "secrets"} == {"create"}
    container = _pod(FULL)["containers"][0]
    assert {"name": "FLYTE_BATCH_JOB_KUBERNETES_NAMESPACE", "value": "jobs"} in container["env"]
    assert "Role" not in _objects(SMALL)


def test_the_secrets_of_projects_are_the_only_ones_to_read() -> None:
    """One Secret in each namespace that is named, which the variables name, too."""
    made = manifests(FULL, "image")
    roles = [one for one in made if one["kind"] == "Role" and one["metadata"]["name"] == "connectors-secrets"]
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["connector-secrets"], "verbs": ["get"]}
    assert [(one["metadata"]["namespace"], one["rules"]) for one in roles] == [
        ("team-a-production", [rule]),
        ("team-b-production", [rule]),
    ]
    variables = {one["name"]: one.get("value") for one in _pod(FULL)["containers"][0]["env"]}
    assert variables["FLYTE_CONNECTORS_SECRETS_BY"] == "project"
    assert variables["FLYTE_CONNECTORS_KUBERNETES_SECRETS_NAMESPACE"] == "{project}-{domain}"
    assert variables["FLYTE_CONNECTORS_KUBERNETES_SECRETS_OBJECT"] == "connector-secrets"
    assert _pod(FULL)["automountServiceAccountToken"]
