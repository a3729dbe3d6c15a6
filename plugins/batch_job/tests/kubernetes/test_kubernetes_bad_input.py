"""What can be wrong on the way to a job: an error of one line that names it, or a clear phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bad_outputs import BAD_OUTPUTS, task_with_output
from flyte_connectors.connector import Phase
from flyte_connectors.errors import (
    AuthenticationError,
    ConflictError,
    ConnectorError,
    InvalidRequestError,
    PermissionDeniedError,
    RateLimitedError,
    ServiceUnavailableError,
)
from flyte_connectors_deploy import manifests as deploy
from kube_cluster import wait_for
from kube_jobs import use

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kube_cluster import Cluster
    from kube_jobs import KubernetesJobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def refusal(jobs: KubernetesJobs, kind: type[ConnectorError], **fields: Any) -> str:
    """Why a job can't be created: one line. Nothing was created."""
    before = [job["metadata"]["uid"] for job in jobs.cluster.jobs(jobs.namespace)]
    with pytest.raises(kind) as caught:
        jobs.start(**({"script": "true"} | fields))
    assert "\n" not in caught.value.message
    assert [job["metadata"]["uid"] for job in jobs.cluster.jobs(jobs.namespace)] == before
    return caught.value.message


def quota(jobs: KubernetesJobs, **hard: str) -> None:
    """Give the namespace a quota, and wait until it counts."""
    name = {"metadata": {"name": "quota"}}
    limits = {resource.replace("_", ".").replace("..", "/"): hard[resource] for resource in hard}
    jobs.cluster.send("POST", jobs.path("resourcequotas"), name | {"spec": {"hard": limits}})
    path = jobs.path("resourcequotas", "quota")
    wait_for(lambda: jobs.cluster.get(path).get("status", {}).get("hard"), "the quota")


def test_an_unknown_namespace(jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's to create; the call may be repeated."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_NAMESPACE", "nowhere")
    message = refusal(jobs, ServiceUnavailableError)
    assert message == "there is no namespace 'nowhere' in the cluster"


def test_a_quota_of_jobs(jobs: KubernetesJobs) -> None:
    """Others may end: slow down, then try again."""
    hard = {"count/jobs.batch": "0"}
    spec = {"metadata": {"name": "quota"}, "spec": {"hard": hard}}
    jobs.cluster.send("POST", jobs.path("resourcequotas"), spec)
    path = jobs.path("resourcequotas", "quota")
    wait_for(lambda: jobs.cluster.get(path).get("status", {}).get("hard"), "the quota")
    message = refusal(jobs, RateLimitedError)
    assert message.startswith(f"the quota of namespace '{jobs.namespace}' is used up: ")
    assert "exceeded quota: quota" in message


def test_a_quota_of_pods(jobs: KubernetesJobs) -> None:
    """The job waits, and runs once there is room."""
    quota(jobs, pods="0")
    meta = jobs.start("true")
    waiting = jobs.until(meta, Phase.WAITING_FOR_RESOURCES, "no pod can be created: ")
    assert "exceeded quota: quota" in str(waiting.message)
    jobs.cluster.send("DELETE", jobs.path("resourcequotas", "quota"))
    assert jobs.end(meta).phase == Phase.SUCCEEDED


def test_more_memory_than_any_node_has(jobs: KubernetesJobs) -> None:
    """A larger one may join."""
    meta = jobs.start("true", memory="100Ti")
    result = jobs.until(meta, Phase.WAITING_FOR_RESOURCES, "waiting for a node: ")
    assert str(result.message).endswith("0/1 nodes are available: 1 Insufficient memory.")
    jobs.connector.delete(meta)


def test_more_memory_than_the_namespace_allows(jobs: KubernetesJobs) -> None:
    """A limit that is the administrator's to change."""
    limit = {"type": "Container", "max": {"memory": "1Gi"}}
    spec = {"metadata": {"name": "limits"}, "spec": {"limits": [limit]}}
    jobs.cluster.send("POST", jobs.path("limitranges"), spec)
    meta = jobs.start("true", memory="2Gi")
    result = jobs.until(meta, Phase.WAITING_FOR_RESOURCES, "no pod can be created: ")
    assert "maximum memory usage per Container is 1Gi" in str(result.message)
    jobs.connector.delete(meta)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("No Image", "custom.image: 'No Image' is not a valid image reference"),
        ("example.org/other", "custom.image: 'example.org/other' is not allowed"),
    ],
)
def test_an_image_that_may_not_run(
    jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch, image: str, message: str
) -> None:
    """By its form, or by the operator."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_IMAGES", "example.org/team/*")
    assert refusal(jobs, InvalidRequestError, image=image).startswith(message)


def test_a_name_of_another_programs_job(jobs: KubernetesJobs) -> None:
    """It is left alone."""
    container = {"name": "x", "image": "x", "command": ["sleep", "60"]}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    job = {"metadata": {"name": "a-job"}, "spec": {"template": template}}
    jobs.cluster.send("POST", jobs.path("jobs"), job)
    message = refusal(jobs, ConflictError)
    assert message == (
        f"the Job 'a-job' in namespace '{jobs.namespace}' is not one of this connector: remove or rename it"
    )


def test_a_name_that_another_task_has_used(jobs: KubernetesJobs) -> None:
    """Another script, other inputs, other outputs: each is another job."""
    jobs.start("true")
    for other in (
        {"script": "false"},
        {"inputs": {"x": 1}},
        {"outputs": {"n": "INTEGER"}},
        {"env": {"A": "1"}},
    ):
        assert "runs something else" in refusal(jobs, ConflictError, **other)


def test_an_operator_who_changes_settings_breaks_no_replay(
    jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is the same; only the next one is made with them."""
    meta = jobs.start("true")
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_KEEP_SECONDS", "60")
    assert jobs.start("true") == meta


@pytest.fixture
def as_user(jobs: KubernetesJobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Lets the connector authenticate as somebody else."""

    def change(user: dict[str, Any]) -> Path:
        return use(monkeypatch, tmp_path, jobs.cluster.kubeconfig(jobs.namespace, user))

    return change


def test_a_token_that_is_wrong(jobs: KubernetesJobs, as_user: Any) -> None:
    """Whatever is wrong with it; it is not shown."""
    user = as_user({"token": "ey.secret-token"})
    message = refusal(jobs, AuthenticationError)
    assert message == (
        f"Kubernetes refuses the credentials of the kubeconfig {user}: they are missing, invalid or expired"
    )


def test_a_token_whose_account_was_deleted(cluster: Cluster, jobs: KubernetesJobs, as_user: Any) -> None:
    """It is as good as expired, even for a job that runs already."""
    meta = jobs.start("sleep 5")
    jobs.cluster.send("POST", jobs.path("serviceaccounts"), {"metadata": {"name": "old"}})
    as_user({"token": cluster.token(jobs.namespace, "old")})
    cluster.send("DELETE", jobs.path("serviceaccounts", "old"))
    wait_for(lambda: not cluster.get(jobs.path("serviceaccounts", "old")), "the account to go")
    assert "missing, invalid or expired" in refusal(jobs, AuthenticationError)
    with pytest.raises(AuthenticationError):
        jobs.connector.get(meta)


def test_no_token_at_all(jobs: KubernetesJobs, as_user: Any) -> None:
    """An anonymous user has no rights."""
    as_user({"token-file-is-missing": "yes"})
    message = refusal(jobs, PermissionDeniedError)
    assert 'User "system:anonymous" cannot create resource "jobs"' in message


def test_an_account_without_rights(cluster: Cluster, jobs: KubernetesJobs, as_user: Any) -> None:
    """The text is the API server's: it names the right that is missing; the doctor finds it, too."""
    (line,) = jobs.connector.check_connection()
    assert str(line).startswith(f"Kubernetes at {cluster.server}, namespace '{jobs.namespace}', by")
    assert not jobs.cluster.jobs(jobs.namespace)
    as_user({"token": cluster.token(jobs.namespace, "default")})
    (fault,) = jobs.connector.check_connection()
    assert isinstance(fault, PermissionDeniedError)
    message = refusal(jobs, PermissionDeniedError)
    assert message.startswith(f"Kubernetes refuses in namespace '{jobs.namespace}': jobs.batch is")
    assert f'in the namespace "{jobs.namespace}"' in message


def test_the_role_that_deploy_makes_is_enough(
    cluster: Cluster, jobs: KubernetesJobs, as_user: Any, tmp_path: Path
) -> None:
    """For all that the connector does; with a token that is renewed in its file meanwhile."""
    from flyte_connectors import ConnectorEnvironment

    environment = ConnectorEnvironment(
        name="service",
        image="x",
        namespace=jobs.namespace,
        service_account="default",
        batch_jobs_namespace=jobs.namespace,
    )
    for made in deploy.manifests(environment, "x"):
        if made["kind"].startswith("Role"):
            kind = "roles" if made["kind"] == "Role" else "rolebindings"
            base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{jobs.namespace}"
            cluster.send("POST", f"{base}/{kind}", made)
    token = tmp_path / "token"
    token.write_text(cluster.token(jobs.namespace, "default"))
    as_user({"tokenFile": str(token)})
    meta = jobs.start("trap 'exit 1' TERM; echo begun; while :; do sleep 0.1; done")
    wait_for(lambda: jobs.page(meta)[0] == ["begun"], "the job")
    token.write_text("expired")
    with pytest.raises(AuthenticationError):
        jobs.start("true", key="other")
    token.write_text(cluster.token(jobs.namespace, "default"))
    jobs.connector.delete(meta)
    assert jobs.end(meta).phase == Phase.ABORTED
    assert jobs.connector.get_metrics(meta).results
    quota(jobs, pods="0")
    waiting = jobs.start("true", key="waits")
    jobs.until(waiting, Phase.WAITING_FOR_RESOURCES, "exceeded quota")


@pytest.mark.parametrize("what", BAD_OUTPUTS)
def test_a_bad_output_fails_a_job_on_kubernetes(jobs: KubernetesJobs, tmp_path: Path, what: str) -> None:
    """In one line, and nothing is stored."""
    script, message = BAD_OUTPUTS[what]
    meta = jobs.connector.create(task_with_output(script), str(tmp_path / "out"), {}, idempotency_key="a-job")
    result = jobs.end(meta)
    assert (result.phase, result.message) == (Phase.FAILED, message)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
