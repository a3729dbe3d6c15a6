"""Batch jobs on a real Kubernetes obey the rules of every connector."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import template
from flyte_connectors import NativeInterface
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest
from kube_cluster import wait_for

from flyte_connectors_batch_job import BatchJobConnector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from kube_cluster import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SCRIPT = """
mkdir -p {orders}
while :; do
    if [ -e {orders}/$BATCH_JOB_ID.lines ]; then
        mv {orders}/$BATCH_JOB_ID.lines {orders}/$BATCH_JOB_ID.printing
        cat {orders}/$BATCH_JOB_ID.printing
        mv {orders}/$BATCH_JOB_ID.printing {orders}/$BATCH_JOB_ID.printed
    fi
    [ -e {orders}/$BATCH_JOB_ID.complete ] && exit 0
    [ -e {orders}/$BATCH_JOB_ID.fail ] && exit 3
    sleep 0.05
done
"""
"""A job that does what files say: the processes of the test's node see the machine's."""

VALUES: dict[Any, Any] = {
    int: 2**53 + 1,
    float: 0.1,
    bool: True,
    str: "Żółć '\"\\ $PATH $(HOME) $$ \n",
    list[int]: [1, 2],
    dict: {"a": [None, 1.5]},
}


class KubernetesService:
    """A namespace of the cluster, and jobs that take orders."""

    def __init__(self, cluster: Cluster, namespace: str, orders: Path) -> None:
        self._cluster = cluster
        self._path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._namespace = namespace
        self._orders = orders
        self._known: dict[str, bool] = {}

    def jobs(self) -> dict[str, bool]:
        found = {
            job["metadata"]["name"]: not job.get("status", {}).get("conditions")
            for job in self._cluster.jobs(self._namespace)
        }
        self._known = {**dict.fromkeys(self._known, False), **found}
        return self._known

    def complete(self, job: str) -> None:
        self._order(job, "complete")
        wait_for(lambda: not self.jobs()[job], f"the end of {job}")

    def fail(self, job: str) -> None:
        self._order(job, "fail")
        wait_for(lambda: not self.jobs()[job], f"the end of {job}")

    def forget(self, job: str) -> None:
        self._cluster.send("DELETE", f"{self._path}/{job}", {"propagationPolicy": "Foreground"})
        wait_for(lambda: not self._cluster.get(f"{self._path}/{job}"), f"{job} to go")

    def go_away(self) -> None:
        if "apiserver" in self._cluster.processes:
            self._cluster.kill("apiserver")

    def come_back(self) -> None:
        if "apiserver" not in self._cluster.processes:
            self._cluster.start_api_server()

    def write_log(self, job: str, lines: Sequence[str]) -> None:
        printed = self._orders / f"{job}.printed"
        printed.unlink(missing_ok=True)
        draft = self._orders / f"{job}.draft"
        draft.write_text("".join(f"{line}\n" for line in lines))
        draft.rename(self._orders / f"{job}.lines")
        wait_for(printed.exists, f"{job} to print")

    def inputs_of(self, job: str) -> dict[str, Any]:
        found = self._cluster.get(f"{self._path}/{job}")
        annotations = found["spec"]["template"]["metadata"]["annotations"]
        inputs: dict[str, Any] = json.loads(annotations["flyte-connectors/inputs"])
        return inputs

    def environment(self) -> dict[str, str]:
        return {}  # the variables of this process name the cluster

    def _order(self, job: str, order: str) -> None:
        (self._orders / f"{job}.{order}").touch()


class TestKubernetes(ConnectorConformance):
    """The connector of task type `batch_job`, with its jobs on Kubernetes."""

    skips = dict.fromkeys(
        ("test_a_deadline_is_kept", "test_a_cancelled_call_ends"),
        "polls are answered by what the API server last reported, and do not wait for it",
    )

    @pytest.fixture
    def service(self, cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[KubernetesService]:
        orders = tmp_path / "orders"
        orders.mkdir()
        service = KubernetesService(cluster, namespace, orders)
        yield service
        service.come_back()
        for job in service.jobs():
            (orders / f"{job}.complete").touch()

    @pytest.fixture
    def connector(self) -> Callable[[], BatchJobConnector]:
        return BatchJobConnector

    @pytest.fixture
    def good_request(self, tmp_path: Path, service: KubernetesService) -> CreateTaskRequest:
        script = SCRIPT.format(orders=shlex.quote(str(tmp_path / "orders")))
        return CreateTaskRequest(template=template(script=script), output_prefix="file:///nowhere")

    @pytest.fixture
    def other_request(self) -> CreateTaskRequest:
        return CreateTaskRequest(template=template(script="true"), output_prefix="file:///nowhere")

    @pytest.fixture
    def typed_requests(self, good_request: CreateTaskRequest) -> dict[str, CreateTaskRequest]:
        return {str(kind): _with_input(good_request, kind, VALUES[kind]) for kind in VALUES}

    @pytest.fixture
    def golden_metas(self) -> dict[bytes, dict[str, object]]:
        handle = "jobs/a-job/dba89c15-abaa-49ba-ba05-da85ff67157b"
        meta = {"job_id": "a-job", "spool_id": "", "backend": "kubernetes", "handle": handle}
        return {json.dumps(meta).encode(): meta}

    @pytest.fixture
    def bad_requests(self) -> dict[str, CreateTaskRequest]:
        wrong: dict[str, dict[str, Any]] = {
            "custom.script": {"script": " "},
            "custom.image": {"script": "true", "image": "Not an image"},
            "custom.account": {"script": "true", "account": "physics"},
            "custom.queue": {"script": "true", "queue": "no queue"},
            "custom.env": {"env": {"A=B": "c"}},
        }
        return {
            field: CreateTaskRequest(template=template(**fields), output_prefix="file:///nowhere")
            for field, fields in wrong.items()
        }


def _with_input(request: CreateTaskRequest, kind: Any, value: object) -> CreateTaskRequest:
    """A copy of `request` whose task has one input."""
    interface = NativeInterface({"value": kind}, {})
    copy = CreateTaskRequest(inputs=interface.write_inputs("batch", {"value": value}))
    copy.template.CopyFrom(request.template)
    copy.template.interface.CopyFrom(interface.to_proto())
    return copy
