"""Secrets of jobs on a real API server: in an object that goes with the Job, and nowhere else."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import template
from flyte_connectors import ConnectorEnvironment
from flyte_connectors.connector import Phase
from flyte_connectors.errors import AuthenticationError, PermissionDeniedError, ServiceUnavailableError
from flyte_connectors_deploy import batch_jobs as rights
from kube_cluster import wait_for
from kube_jobs import use
from secret_jobs import NAMES, SECRET, TELLS, Told, give_secret, holders, telling_function

from flyte_connectors_batch_job.backends.kubernetes import job_secrets

if TYPE_CHECKING:
    from kube_cluster import Cluster
    from kube_jobs import KubernetesJobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LENGTH = 'echo "{\\"size\\": ${#PASSWORD}}" > "$BATCH_JOB_OUTPUTS"'


def objects(jobs: KubernetesJobs, kind: str) -> list[dict[str, Any]]:
    """The objects of a kind."""
    found = list(jobs.cluster.get(jobs.path(kind)).get("items", []))
    return [one for one in found if one.get("type") != "kubernetes.io/service-account-token"]


def shown(jobs: KubernetesJobs) -> str:
    """All that others see of the namespace: the objects but for Secrets."""
    text = "".join(json.dumps(objects(jobs, kind)) for kind in ("jobs", "pods", "events", "configmaps"))
    assert "db-password" in text or "secretKeyRef" in text
    return text


def create(jobs: KubernetesJobs, value: str = SECRET) -> Any:
    """A create as the core calls it, with the secret's value."""
    task = template({"size": "INTEGER"}, script=LENGTH, secrets=NAMES)
    return jobs.connector.create(task, "", {}, idempotency_key="a-job", PASSWORD=value)


def created_if_allowed(jobs: KubernetesJobs) -> Any:
    """The API server takes a moment to notice new rights."""
    try:
        return create(jobs)
    except PermissionDeniedError:
        return None


def test_a_script_tells_its_secret_to_nobody(
    jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The Job and its pod refer to a Secret, which is deleted with the Job."""
    give_secret(monkeypatch)
    told = Told(template(script=TELLS, secrets=NAMES), tmp_path / "out", "telling")
    assert told.resource.phase == Phase.FAILED
    assert told.resource.message == "the job ended with exit code 3"
    assert sorted(told.lines) == ["stderr ***", "stdout ***"]
    for text in (told.everything, shown(jobs)):
        assert SECRET not in text
        assert base64.b64encode(SECRET.encode()).decode() not in text
    (secret,) = objects(jobs, "secrets")
    (job,) = objects(jobs, "jobs")
    assert base64.b64decode(secret["data"]["PASSWORD"]).decode() == SECRET
    assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [job["metadata"]["uid"]]
    jobs.cluster.send("DELETE", jobs.path("jobs", job["metadata"]["name"]), {"propagationPolicy": "Background"})
    wait_for(lambda: not objects(jobs, "secrets"), "the Secret's end")


def test_a_function_tells_its_secret_to_nobody(
    jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its wrapper masks what it prints, so the node's log and the pod's status do not have it either."""
    give_secret(monkeypatch)
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))
    task = telling_function(image="python:3", python=sys.executable)
    told = Told(task, tmp_path / "out", "telling", variable="PASSWORD")
    assert told.resource.phase == Phase.FAILED
    assert "ValueError: ***" in told.resource.message
    assert "it is ***" in told.lines
    assert {"stdout ***"} == {line[:10] for line in told.lines if line.startswith("stdout")}
    for text in (told.everything, shown(jobs)):
        assert SECRET not in text
    (pod,) = objects(jobs, "pods")
    assert holders(jobs.cluster.node_folder / pod["metadata"]["uid"]) == []
    assert holders(tmp_path) == []


def test_a_service_that_ends_before_the_secret_is_there_leaves_a_job_that_waits(
    jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next create of its key gives it one, and any later one leaves that as it is."""

    async def ended(*_: object) -> None:
        raise ServiceUnavailableError("the service was ended")

    with monkeypatch.context() as until_then:
        until_then.setattr(job_secrets, "create", ended)
        with pytest.raises(ServiceUnavailableError):
            create(jobs)
    wait_for(lambda: "CreateContainerConfigError" in shown(jobs), "the pod")
    meta = create(jobs)
    assert jobs.end(meta).outputs == {"size": len(SECRET)}
    assert create(jobs, "another") == meta
    assert len(objects(jobs, "secrets")) == len(objects(jobs, "jobs")) == 1


def test_the_rights_that_deploy_gives_are_enough_and_needed(
    jobs: KubernetesJobs, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without them there is no Job, and one line says which right is missing."""
    use(monkeypatch, tmp_path, cluster.kubeconfig(jobs.namespace, {"token": cluster.token(jobs.namespace, "default")}))
    environment = ConnectorEnvironment(
        name="c", image="x", namespace=jobs.namespace, service_account="default", batch_jobs_namespace=jobs.namespace
    )  # fmt: skip
    role, binding = rights.access_to_jobs(environment)
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{jobs.namespace}"
    without = [rule for rule in role["rules"] if rule["resources"] != ["secrets"]]
    cluster.send("POST", f"{base}/roles", {**role, "rules": without})
    cluster.send("POST", f"{base}/rolebindings", binding)
    with pytest.raises(PermissionDeniedError, match=r'cannot create resource "secrets"') as caught:
        create(jobs)
    assert "\n" not in str(caught.value)
    assert objects(jobs, "jobs") == []
    cluster.send("PUT", f"{base}/roles/{role['metadata']['name']}", role)
    meta = wait_for(lambda: created_if_allowed(jobs), "the rights")
    assert jobs.end(meta).phase == Phase.SUCCEEDED


def test_a_secret_that_did_not_come(jobs: KubernetesJobs) -> None:
    """Nothing is created."""
    task = template(script="true", secrets=NAMES)
    with pytest.raises(AuthenticationError, match=r"custom\.secrets\.PASSWORD: secret 'db-password' did not come"):
        jobs.connector.create(task, "", {}, idempotency_key="a-job")
    assert objects(jobs, "jobs") == []
