"""The operator's settings for jobs on Kubernetes."""

from __future__ import annotations

import pytest
from flyte_connectors.errors import ServiceUnavailableError

from flyte_connectors_batch_job.backends.kubernetes.settings import KubernetesSettings
from flyte_connectors_batch_job.settings import BatchJobSettings


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the table `kubernetes`; what is not set has a default."""
    assert BatchJobSettings.read().kubernetes == KubernetesSettings()
    given = {
        "NAMESPACE": "jobs",
        "IMAGES": "a/*, b:1",
        "NODE_SELECTOR": "pool=batch,disk=ssd",
        "TOLERATIONS": "spot=true:NoSchedule, gpu, a/b:NoExecute",
        "KEEP_SECONDS": "60",
        "LINKS": "Logs=https://l.example.org/{namespace}/{job}?a=b",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"FLYTE_BATCH_JOB_KUBERNETES_{name}", value)
    found = BatchJobSettings.read().kubernetes
    assert (found.namespace, found.images, found.keep_seconds) == ("jobs", ("a/*", "b:1"), 60)
    assert found.labels(interruptible=True) == {"pool": "batch", "disk": "ssd"}
    assert found.taints(interruptible=False) == [
        {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
        {"key": "gpu", "operator": "Exists"},
        {"key": "a/b", "operator": "Exists", "effect": "NoExecute"},
    ]
    assert found.pages("n", "j") == [("Logs", "https://l.example.org/n/j?a=b")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NAMESPACE", "Not valid"),
        ("NODE_SELECTOR", "pool"),
        ("TOLERATIONS", "a=b:Sometimes"),
        ("TOLERATIONS", "a b=c:d:e"),
        ("KEEP_SECONDS", "-1"),
        ("KEEP_SECONDS", "a day"),
        ("LINKS", "https://example.org"),
        ("LINKS", "Logs=https://example.org/{pod}"),
    ],
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable and its value."""
    variable = f"FLYTE_BATCH_JOB_KUBERNETES_{name}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(ServiceUnavailableError) as caught:
        BatchJobSettings.read()
    assert variable in caught.value.message
    assert value in caught.value.message
