"""Secrets of projects by namespace, of a real API server, with the rights that `deploy` grants and no others."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors import ConnectorEnvironment
from flyte_connectors.errors import AuthenticationError, PermissionDeniedError
from flyte_connectors_deploy import manifests as deploy
from flyte_connectors_kubernetes.hooks import check_connection, find_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kube_cluster import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def find(project: str, *names: str) -> Any:
    return asyncio.run(find_secrets(project, "production", names))


@pytest.fixture(scope="module")
def projects(cluster: Cluster) -> tuple[str, ...]:
    """Three projects with a namespace and a secret each; the service may read those of the first two."""
    names = ("secrets-a", "secrets-b", "secrets-c")
    for name in ("service-of-secrets", *(f"{name}-production" for name in names)):
        cluster.namespace(name)
    for name in names:
        data = {"vendor-key": base64.b64encode(f"key of {name}".encode()).decode()}
        for kind in ("connector-secrets", "another"):
            body = {"metadata": {"name": kind}, "data": data}
            cluster.send("POST", f"/api/v1/namespaces/{name}-production/secrets", body)
    environment = ConnectorEnvironment(
        name="service",
        image="x",
        namespace="service-of-secrets",
        service_account="default",
        secret_namespaces=[f"{name}-production" for name in names[:2]],
    )
    for made in deploy.manifests(environment, "x"):
        if made["kind"].startswith("Role"):
            kind = "roles" if made["kind"] == "Role" else "rolebindings"
            base = "/apis/rbac.authorization.k8s.io/v1/namespaces"
            cluster.send("POST", f"{base}/{made['metadata']['namespace']}/{kind}", made)
    return names


@pytest.fixture
def pod(
    cluster: Cluster, projects: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """What a pod has of its service account; sets its token."""

    def token(text: str) -> None:
        (tmp_path / "token").write_text(text)

    token(cluster.token("service-of-secrets", "default"))
    config = cluster.kubeconfig("service-of-secrets")
    (tmp_path / "ca.crt").write_bytes(_authority(config))
    (tmp_path / "namespace").write_text("service-of-secrets")
    host, _, port = cluster.server.removeprefix("https://").partition(":")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setattr("flyte_connectors_kubernetes.api_server._MOUNT", tmp_path)
    monkeypatch.setenv("FLYTE_CONNECTORS_KUBERNETES_SECRETS_NAMESPACE", "{project}-{domain}")
    return token


def _authority(config: dict[str, Any]) -> bytes:
    import pathlib

    return pathlib.Path(config["clusters"][0]["cluster"]["certificate-authority"]).read_bytes()


def test_each_project_gets_its_own(pod: Any) -> None:
    """With the pod's token, over TLS that the pod's CA has signed."""
    assert find("secrets-a", "vendor-key") == {"vendor-key": "key of secrets-a"}
    assert find("secrets-b", "vendor-key") == {"vendor-key": "key of secrets-b"}


def test_without_a_role_nothing_is_read(pod: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in another namespace, nor another Secret of this one; the error says which rule is missing."""
    with pytest.raises(
        PermissionDeniedError, match="may not read the Secret 'connector-secrets' in namespace 'secrets-c"
    ):
        find("secrets-c", "vendor-key")
    with pytest.raises(PermissionDeniedError, match=r"get on secrets, with resourceNames"):
        find("no-such-project", "vendor-key")
    monkeypatch.setenv("FLYTE_CONNECTORS_KUBERNETES_SECRETS_OBJECT", "another")
    with pytest.raises(PermissionDeniedError, match="'another'"):
        find("secrets-a", "vendor-key")


def test_a_change_is_seen_by_the_next_call(pod: Any, cluster: Cluster) -> None:
    """A rotated secret, a removed key, a removed Secret."""
    path = "/api/v1/namespaces/secrets-b-production/secrets/connector-secrets"
    patch = "application/merge-patch+json"
    cluster.send("PATCH", path, {"data": {"vendor-key": base64.b64encode(b"rotated\n").decode()}}, patch)
    assert find("secrets-b", "vendor-key") == {"vendor-key": "rotated"}
    cluster.send("PATCH", path, {"data": {"vendor-key": None}}, patch)
    with pytest.raises(AuthenticationError, match="has no such key"):
        find("secrets-b", "vendor-key")
    kept = cluster.get(path)
    cluster.send("DELETE", path)
    with pytest.raises(AuthenticationError, match="kubectl -n secrets-b-production create secret generic"):
        find("secrets-b", "vendor-key")
    del kept["metadata"]["resourceVersion"], kept["metadata"]["uid"]
    cluster.send("POST", path.rpartition("/")[0], json.loads(json.dumps(kept)))


def test_a_token_that_has_expired_is_replaced_by_the_mounted_one(pod: Any, cluster: Cluster) -> None:
    """Which is read again for each request."""
    pod("expired")
    with pytest.raises(AuthenticationError, match="refuses the credentials of the pod's service account"):
        find("secrets-a", "vendor-key")
    pod(cluster.token("service-of-secrets", "default"))
    assert find("secrets-a", "vendor-key") == {"vendor-key": "key of secrets-a"}


def test_doctor_is_told_what_may_be_read(pod: Any) -> None:
    """By the cluster itself."""
    (line,) = check_connection()
    assert "the pod's service account: Secret 'connector-secrets' in the namespaces whose Roles grant it" in line
