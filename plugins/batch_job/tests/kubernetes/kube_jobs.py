"""The connector as the tests of a cluster use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from batch_jobs import template
from flyte_connectors.connector import TERMINAL_PHASES, Resource
from kube_cluster import wait_for

from flyte_connectors_batch_job import BatchJobConnector, BatchJobMetadata

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from kube_cluster import Cluster

JOB_SECONDS = 60.0


class KubernetesJobs:
    """The connector, with jobs named by the test, in a namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.connector = BatchJobConnector()

    def start(
        self,
        script: str | None = None,
        *,
        key: str = "a-job",
        inputs: dict[str, Any] | None = None,
        outputs: dict[str, str] | None = None,
        interruptible: bool = False,
        **fields: Any,
    ) -> BatchJobMetadata:
        """Create a job."""
        task = template(outputs, script=script, **fields)
        task.metadata.interruptible = interruptible
        return self.connector.create(task, "", inputs or {}, idempotency_key=key)

    def until(self, meta: BatchJobMetadata, phase: int, text: str = "") -> Resource:
        """The job's state once it has this phase, and this text in its message."""

        def reached() -> Resource | None:
            resource = self.connector.get(meta)
            is_it = resource.phase == phase and text in (resource.message or "")
            return resource if is_it else None

        resource: Resource = wait_for(reached, f"phase {phase} {text}", JOB_SECONDS)
        return resource

    def end(self, meta: BatchJobMetadata) -> Resource:
        """The job's state once it is terminal."""

        def ended() -> Resource | None:
            resource = self.connector.get(meta)
            return resource if resource.phase in TERMINAL_PHASES else None

        resource: Resource = wait_for(ended, "the end of a job", JOB_SECONDS)
        return resource

    def run(self, script: str | None = None, **arguments: Any) -> Resource:
        """Create a job and wait for its end."""
        return self.end(self.start(script, **arguments))

    def page(self, meta: BatchJobMetadata, token: str = "", lines: int = 0) -> tuple[list[str], str]:
        """The texts of one page of the log, and the next page's token."""
        texts, following = [], ""
        for reply in self.connector.get_logs(meta, token=token, lines=lines):
            texts += [line.message for line in reply.body.lines]
            following = reply.header.token
        return texts, following

    def log(self, meta: BatchJobMetadata, lines: int = 0) -> list[str]:
        """The texts of all lines of a job that has ended."""
        texts, token = self.page(meta, lines=lines)
        while token:
            more, token = self.page(meta, token, lines)
            texts += more
        return texts

    def pods(self, key: str = "a-job") -> list[dict[str, Any]]:
        """The pods of a job."""
        pods = self.cluster.pods(self.namespace)
        return [pod for pod in pods if pod["metadata"]["labels"].get("job-name") == key]

    def path(self, kind: str, name: str = "") -> str:
        """The path of objects of the namespace."""
        group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        return f"{group}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")


def use(monkeypatch: pytest.MonkeyPatch, folder: Path, kubeconfig: dict[str, Any]) -> Path:
    """Let the connector use Kubernetes, by this kubeconfig."""
    file = folder / "kubeconfig"
    file.write_text(json.dumps(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.setenv("FLYTE_BATCH_JOB_BACKEND", "kubernetes")
    monkeypatch.setenv("FLYTE_BATCH_JOB_KUBERNETES_IMAGE", "debian:13-slim")
    return file
