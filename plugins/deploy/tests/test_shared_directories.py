"""Connectors whose jobs live on the disk of one replica."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import ConnectorEnvironment
from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_deploy.applying import plan

LOCAL = """
from flyte_connectors import SyncConnector

class Local(SyncConnector):
    name = "Local Jobs"
    task_type_name = "local_job"
    shared_directory_variable = "LOCAL_JOBS_DIRECTORY"

    def do(self, inputs, **kwargs): ...
"""


@pytest.fixture
def environment(tmp_path: Path) -> Any:
    (tmp_path / "local_jobs.py").write_text(textwrap.dedent(LOCAL))

    def made(**values: Any) -> ConnectorEnvironment:
        return ConnectorEnvironment(name="c", include=["local_jobs.py"], root=tmp_path, **values)

    return made


@pytest.mark.parametrize("replicas", [2, (1, 4)])
def test_several_replicas_without_a_shared_volume_are_refused(environment: Any, replicas: Any) -> None:
    """Each would report the others' jobs as lost."""
    with pytest.raises(InvalidRequestError) as caught:
        plan(environment(replicas=replicas))
    assert caught.value.field == "replicas"
    for part in ("Local Jobs (local_job)", "set shared_volume", "ReadWriteMany", "replicas=1"):
        assert part in caught.value.message


def test_one_replica_is_enough(environment: Any) -> None:
    """Its own disk will do."""
    assert plan(environment(replicas=1)).objects


def test_a_shared_volume_is_mounted_and_named(environment: Any) -> None:
    """By the variable that the connector declares."""
    planned = plan(environment(shared_volume="jobs"))
    (deployment,) = (item for item in planned.objects if item["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    claim = {"name": "shared", "persistentVolumeClaim": {"claimName": "jobs"}}
    assert claim in pod["volumes"]
    (container,) = pod["containers"]
    assert {"name": "shared", "mountPath": "/var/lib/flyte-connectors"} in container["volumeMounts"]
    assert {
        "name": "LOCAL_JOBS_DIRECTORY",
        "value": "/var/lib/flyte-connectors/local_job",
    } in container["env"]
    assert {"name": "LOCAL_JOBS_DIRECTORY_SHARED", "value": "true"} in container["env"]


def test_a_directory_of_the_authors_own_stays(environment: Any) -> None:
    """Said in `env_vars`, below the mount or elsewhere."""
    own = {"LOCAL_JOBS_DIRECTORY": "/var/lib/flyte-connectors/mine"}
    planned = plan(environment(shared_volume="jobs", env_vars=own))
    (deployment,) = (item for item in planned.objects if item["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [v for v in container["env"] if v["name"].startswith("LOCAL_JOBS_DIRECTORY")] == [
        {"name": "LOCAL_JOBS_DIRECTORY", "value": "/var/lib/flyte-connectors/mine"}
    ]


def test_jobs_that_run_in_a_cluster_need_no_directory(environment: Any, tmp_path: Path) -> None:
    """Batch jobs on Kubernetes: every replica finds them there."""
    batch = textwrap.dedent(LOCAL).replace("LOCAL_JOBS_DIRECTORY", "FLYTE_BATCH_JOB_SPOOL")
    cluster = {"service_account": "jobs", "batch_jobs_namespace": "jobs", "replicas": 2}
    made = environment(**cluster)
    (tmp_path / "local_jobs.py").write_text(batch)
    (deployment,) = (item for item in plan(made).objects if item["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "FLYTE_BATCH_JOB_BACKEND", "value": "kubernetes"} in container["env"]
    both = environment(**cluster, env_vars={"FLYTE_BATCH_JOB_BACKEND": "kubernetes,local"})
    with pytest.raises(InvalidRequestError, match="set shared_volume"):
        plan(both)


def test_a_volume_has_the_name_of_an_object() -> None:
    """As Kubernetes takes it."""
    with pytest.raises(InvalidRequestError, match="shared_volume: 'My Claim'"):
        ConnectorEnvironment(name="c", shared_volume="My Claim")
