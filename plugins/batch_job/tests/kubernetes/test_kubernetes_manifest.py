"""The Job of a request: valid for Kubernetes, and what its fields mean there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from batch_jobs import template
from flyte_connectors.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st
from kube_node import expanded
from kubernetes_validate.utils import all_versions

from flyte_connectors_batch_job.backends.interface import JobRequest
from flyte_connectors_batch_job.backends.kubernetes.manifest import (
    manifest,
    name_of,
    summary,
)
from flyte_connectors_batch_job.backends.kubernetes.records import Request, job_record
from flyte_connectors_batch_job.backends.kubernetes.settings import KubernetesSettings as Settings
from flyte_connectors_batch_job.request import job_request

VERSIONS = (all_versions()[0], all_versions()[-1])
EVERYTHING = Settings(
    user=1000,
    service_account="jobs",
    images=("python:*",),
    pull_secrets=("registry",),
    node_selector=("pool=batch",),
    tolerations=("batch",),
    interruptible_node_selector=("spot=yes",),
    interruptible_tolerations=("spot=true:NoSchedule",),
)


def request(inputs: dict[str, Any] | None = None, **fields: Any) -> JobRequest:
    return job_request(template(**({"image": "python:3.13"} | fields)), inputs or {})


def made(chosen: Settings | None = None, **fields: Any) -> dict[str, Any]:
    return manifest("a-job", request(**fields), chosen or Settings())


def container(job: dict[str, Any]) -> dict[str, Any]:
    (found,) = job["spec"]["template"]["spec"]["containers"]
    return dict(found)


def refusal(chosen: Settings | None = None, **fields: Any) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        made(chosen, **fields)
    return caught.value.message


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "fields",
    [
        {"script": "true"},
        {"command": ["python", "-c", "pass"], "working_directory": "/data"},
        {"script": "true", "cpu": "500m", "memory": "1.5Gi", "gpu": 2, "env": {"A": "b"}},
        {"script": "true", "array": 3, "queue": "batch", "retry_exit_codes": [75]},
    ],
)
def test_kubernetes_takes_the_job(version: str, fields: dict[str, Any]) -> None:
    """The oldest and the newest version whose schema is at hand."""
    wanted = request(**fields)
    kubernetes_validate.validate(manifest("a-job", wanted, Settings()), version, strict=True)
    kubernetes_validate.validate(manifest("a-job", wanted, EVERYTHING), version, strict=True)


def test_fields_mean_what_they_mean_elsewhere() -> None:
    """Limits, time, grace, retries."""
    job = made(script="true", cpu="500m", memory="2Gi", gpu=1, timeout_seconds=1.5)
    amounts = {"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "1"}
    assert container(job)["resources"] == {"requests": amounts, "limits": amounts}
    pod = job["spec"]["template"]["spec"]
    assert pod["activeDeadlineSeconds"] == 2
    assert pod["terminationGracePeriodSeconds"] == 5
    assert (job["spec"]["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert pod["automountServiceAccountToken"] is False


def test_the_operators_settings_are_in_the_job() -> None:
    """Those for interruptible tasks in theirs alone."""
    chosen = Settings(**{**EVERYTHING.__dict__, "gpu_resource": "amd.com/gpu", "keep_seconds": 60})
    pod = manifest("a", request(script="true", gpu=1), chosen)["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "batch"}
    assert pod["tolerations"] == [{"key": "batch", "operator": "Exists"}]
    assert pod["serviceAccountName"] == "jobs"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    task = template(script="true", image="python:3.13")
    task.metadata.interruptible = True
    job = manifest("a", job_request(task, {}), chosen)
    pod = job["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "batch", "spot": "yes"}
    assert pod["tolerations"][1] == {
        "key": "spot",
        "operator": "Equal",
        "value": "true",
        "effect": "NoSchedule",
    }
    assert job["spec"]["ttlSecondsAfterFinished"] == 60
    with pytest.raises(InvalidRequestError, match="interruptible: the operator has no"):
        manifest("a", job_request(task, {}), Settings())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image": None}, "custom.image: missing: give the image"),
        ({"image": "Bad Image"}, "custom.image: 'Bad Image' is not a valid image reference"),
        ({"image": "a/B:c"}, "custom.image: 'a/B:c' is not a valid image reference"),
        ({"env": {"A B": "c"}}, "custom.env: 'A B' is not a name that Kubernetes takes"),
        ({"env": {"A": "x" * 600_000}}, "custom.env: 600"),
        ({"script": "x" * 300_000}, "custom.script: 300002 bytes with the script"),
        ({"inputs": {"a": "x" * 300_000}}, "inputs: 300"),
        ({"queue": "no queue"}, "custom.queue: 'no queue' is not a valid name"),
    ],
)
def test_what_kubernetes_cannot_run_is_refused(fields: dict[str, Any], message: str) -> None:
    """By the field's name."""
    assert refusal(**({"script": "true"} | fields)).startswith(message)


def test_only_the_operators_images_may_run() -> None:
    """The default is one of them."""
    chosen = Settings(image="example.org/base:1", images=("example.org/team/*", "python:3*"))
    for image in ("example.org/team/a:2", "python:3.13", None):
        made(chosen, script="true", image=image)
    assert refusal(chosen, script="true", image="example.org/other:1") == (
        "custom.image: 'example.org/other:1' is not allowed (FLYTE_BATCH_JOB_KUBERNETES_IMAGES); "
        "allowed: example.org/team/*, python:3*"
    )


@pytest.mark.parametrize(
    "image",
    [
        "python",
        "python:3.13-slim",
        "localhost:5000/a/b_c/d__e",
        "registry.example.org/team/app@sha256:" + "a" * 64,
        "gcr.io/x/y-z:v1.2.3@sha256:" + "0" * 64,
    ],
)
def test_references_of_images_are_taken(image: str) -> None:
    """In all of their forms."""
    assert container(made(script="true", image=image))["image"] == image


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_kubernetes_expands_nothing_in_commands_and_variables(text: str) -> None:
    """It would replace $(NAME), and two dollars by one."""
    found = container(made(command=["echo", text], env={"X": text, "NAME": "expanded"}))
    values = {"NAME": "expanded", "(": "x", "": "y"}
    assert expanded(found["command"][1], values) == text
    (variable,) = [one for one in found["env"] if one["name"] == "X"]
    assert expanded(variable["value"], values) == text


@given(st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True), st.booleans())
def test_every_id_has_a_name_that_kubernetes_takes(job_id: str, is_array: bool) -> None:
    """Its own, where that is valid."""
    name = name_of(job_id, is_array=is_array)
    assert 1 <= len(name) <= (52 if is_array else 63)
    assert name[0].isalpha()
    assert name[-1] != "-"
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if job_id[0].isalpha() and job_id[-1] != "-" and len(job_id) <= 52:
        assert name == job_id


def test_ids_that_differ_have_names_that_differ() -> None:
    """Also where they are shortened."""
    ids = ["-a", "a-", "a", "-a-", "x" * 63, "x" * 62 + "y", "0"]
    assert len({name_of(one, is_array=True) for one in ids}) == len(ids)


def test_jobs_of_a_user_meet_the_restricted_standard() -> None:
    """As https://kubernetes.io/docs/concepts/security/pod-security-standards/ has it."""
    job = made(EVERYTHING, script="true")
    pod, confined = job["spec"]["template"]["spec"], container(job)["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert confined == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert "securityContext" not in container(made(script="true"))


def test_a_request_is_known_by_its_digest() -> None:
    """What it says makes it, not what the operator sets; a field that is not set counts nothing."""
    one, same = request(script="true"), request(script="true", priority=0)
    assert summary(one).digest == summary(same).digest
    for other in ({"script": "false"}, {"script": "true", "env": {"A": "1"}}):
        assert summary(request(**other)).digest != summary(one).digest
    assert summary(request({"x": 1}, script="true")).digest != summary(one).digest


def test_a_job_tells_any_replica_what_it_runs() -> None:
    """By its annotation; that of somebody else's Job tells nothing."""
    job = made(script="true", array=3, retry_exit_codes=[75])
    job["metadata"]["uid"] = "u"
    told = job_record(job).request
    assert told
    assert (told.array, told.retry_exit_codes, told.outputs) == (3, (75,), ())
    job["metadata"]["labels"] = {}
    assert job_record(job).request is None
    assert Request.from_annotation("[]") is None
    assert Request.from_annotation("") is None
    assert Request.from_annotation('{"array": 3, "new": 1}') == Request(array=3)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["sh", "-c", "echo a; echo b; echo c >&2"], 0, "line:b\n"),
        (["sh", "-c", "echo a; printf b"], 0, "line:b"),
        (["sh", "-c", "echo a; exit 3"], 3, ""),
        (["true"], 0, ""),
        (["sh", "-c", "echo a; echo '{}' > $BATCH_JOB_OUTPUTS"], 0, "{}\n"),
        (["sh", "-c", "echo a; sleep 9 2>/dev/null & exit 0"], 0, "line:a\n"),
        (["nosuch"], 127, ""),
    ],
)
def test_the_last_line_of_stdout_is_kept(command: list[str], code: int, message: str, tmp_path: Any) -> None:
    """By any shell, whatever the command does with its output."""
    task = template({"line": "STRING"}, command=command, image="python:3.13")
    words = container(manifest("a", job_request(task, {}), Settings()))["command"]
    outputs = tmp_path / "outputs"
    outputs.touch()
    ended = subprocess.run(
        [expanded(word, {}) for word in words],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "BATCH_JOB_OUTPUTS": str(outputs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, outputs.read_text()) == (code, message)


def test_a_job_with_secrets_refers_to_them() -> None:
    """By its Secret's name, which does not make it another job; the end of its log is not copied to the pod."""
    wanted = request(script="true", secrets={"PASSWORD": "db-password"}, image="x")
    job = manifest("a-job", wanted, Settings(), "a-job-1")
    kubernetes_validate.validate(job, VERSIONS[-1], strict=True)
    found = container(job)
    reference = {"secretKeyRef": {"name": "a-job-1", "key": "PASSWORD"}}
    assert {"name": "PASSWORD", "valueFrom": reference} in found["env"]
    assert {"name": "BATCH_JOB_SECRETS", "value": "PASSWORD"} in found["env"]
    assert found["terminationMessagePolicy"] == "File"
    assert summary(wanted, "a-job-1").digest == summary(wanted, "a-job-2").digest
    with pytest.raises(InvalidRequestError, match=r"custom\.secrets: 'é' is not a name that Kubernetes takes"):
        manifest("a-job", request(script="true", secrets={"é": "x"}, image="x"), Settings(), "a-job-1")


def test_a_job_with_files_runs_under_the_wrapper(tmp_path: Path) -> None:
    """It is the script then, and keeps the command, its folder and the array's index to itself."""
    task = template(command=["cat", "x"], image="python:3.13", working_directory="/data", array=2)
    task.interface.outputs.variables.add(key="f").value.type.blob.format = ""
    wanted = job_request(task, {}, str(tmp_path))
    assert wanted.files
    job = manifest("a-job", wanted, Settings(env_secrets=("store",)))
    kubernetes_validate.validate(job, VERSIONS[-1], strict=True)
    found = container(job)
    assert found["workingDir"] == "/run/batch-job/work"
    assert found["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert "cat" not in found["command"]
    script = job["spec"]["template"]["metadata"]["annotations"]["flyte-connectors/script"]
    assert script.startswith("#!/usr/bin/env python3\n")
    assert len(script) < 100_000
    job["metadata"]["uid"] = "u"
    told = job_record(job).request
    assert told
    assert told.has_outcome
