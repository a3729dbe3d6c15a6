"""A real cluster for all tests that need one, and a namespace for each of them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kube_cluster import Cluster
from kube_jobs import KubernetesJobs, use

if TYPE_CHECKING:
    from collections.abc import Iterator

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""The habit of Kubernetes' envtest: a folder with etcd, kube-apiserver and the others."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with one node."""
    binaries = os.environ.get(ASSETS_VARIABLE)
    if not binaries:
        pytest.skip(f"{ASSETS_VARIABLE} names no servers: nox -s kubernetes builds them")
    cluster = Cluster(Path(binaries), tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def namespace(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new namespace, which the connector uses as administrator."""
    name = cluster.namespace(f"test-{next(_numbers)}")
    use(monkeypatch, tmp_path, cluster.kubeconfig(name))
    return name


@pytest.fixture
def jobs(cluster: Cluster, namespace: str) -> KubernetesJobs:
    """The connector over that namespace."""
    return KubernetesJobs(cluster, namespace)
