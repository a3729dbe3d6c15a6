"""The Job of a request.

Script and inputs reach the job as files, through the pod's own annotations (a downward API volume), so an image needs
nothing but what its job uses. Small outputs come back as the container's termination message.

    /run/batch-job/given/inputs.json   $BATCH_JOB_INPUTS
    /run/batch-job/given/script        the script, if there is one
    /run/batch-job/work                the working directory, unless the task names one
    /run/batch-job/outputs.json        $BATCH_JOB_OUTPUTS, the container's termination message

A job with files runs under the wrapper, which then is the script: it needs Python in the image, and its outcome is the
termination message.

Reference: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from flyte_connectors.errors import InvalidRequestError

from flyte_connectors_batch_job import quantities
from flyte_connectors_batch_job.backends.interface import GRACE_SECONDS
from flyte_connectors_batch_job.backends.kubernetes import records
from flyte_connectors_batch_job.backends.kubernetes.settings import PREFIX
from flyte_connectors_batch_job.backends.local.job_secrets import LISTED
from flyte_connectors_batch_job.wrapper import packing
from flyte_connectors_batch_job.wrapper.preparing import input_variables

if TYPE_CHECKING:
    from flyte_connectors_batch_job.backends.interface import JobRequest
    from flyte_connectors_batch_job.backends.kubernetes.settings import KubernetesSettings

MOST_OUTPUT_BYTES = 4096
"""Kubernetes keeps no more of a termination message."""

MOST_GIVEN_BYTES = 250 * 1024
"""Kubernetes allows 256 KiB of annotations."""

MOST_VARIABLES_BYTES = 512 * 1024
"""Of a Job's 1.5 MiB in etcd, which its pods have once more."""

INDEX = "BATCH_JOB_INDEX"

LINE_PREFIX = "line:"
"""Before the last line of stdout in a termination message; JSON begins with something else."""

_FOLDER = "/run/batch-job"
_GIVEN = f"{_FOLDER}/given"
_LONGEST_NAME = 63
_LONGEST_ARRAY_NAME = 52  # its pods' host names end with their index
_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_IMAGE = re.compile(
    r"(?:[a-zA-Z0-9]+(?:[.-][a-zA-Z0-9]+)*(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@[a-zA-Z0-9+._-]+:[0-9a-fA-F]{32,})?"
)  # https://pkg.go.dev/github.com/distribution/reference
_QUEUE = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")

_WRAPPED = f"""\
"$@" & job=$!
trap 'kill -TERM "$job"' TERM
wait "$job"; code=$?
while kill -0 "$job" 2>/dev/null; do wait "$job"; code=$?; done
cat {_FOLDER}/work/outcome.json >{_FOLDER}/outputs.json
exit "$code"
"""
"""Runs the wrapper, and leaves its outcome as termination message, which has to be written to in place."""

_LAST_LINE = f"""\
d=$(mktemp -d) && mkfifo "$d/out" "$d/copy" || exit 125
tail -n 1 <"$d/copy" >"$d/last" & last=$!
tee "$d/copy" <"$d/out" & tee=$!
"$@" >"$d/out" & job=$!
trap 'kill -TERM "$job"' TERM
wait "$job"; code=$?
while kill -0 "$job" 2>/dev/null; do wait "$job"; code=$?; done
(sleep 2; kill "$tee") >/dev/null 2>&1 & wait "$tee" "$last"
[ "$code" -ne 0 ] || [ -s "$BATCH_JOB_OUTPUTS" ] || [ ! -s "$d/last" ] ||
    {{ printf %s {LINE_PREFIX}; cat "$d/last"; }} >"$BATCH_JOB_OUTPUTS"
exit "$code"
"""
"""Runs a command, and leaves its last line of stdout as termination message if it writes no outputs.

A process that keeps stdout open after the command's end is waited for for 2 s.
"""


def name_of(job_id: str, *, is_array: bool = False) -> str:
    """The name of a job's Job: its id where that is a valid name, else the id's begin and digest."""
    longest = _LONGEST_ARRAY_NAME if is_array else _LONGEST_NAME
    if len(job_id) <= longest and _LABEL.fullmatch(job_id):
        return job_id
    digest = hashlib.sha256(job_id.encode()).hexdigest()[:16]
    return f"j-{job_id.strip('-')[: longest - 19].rstrip('-')}-{digest}".replace("--", "-")


def summary(request: JobRequest, secret: str = "") -> records.Request:
    """What a Job has to say of its request later, and the name of its Secret."""
    config = request.config
    content = _set(request) | {"config": _set(config)}
    text = json.dumps(content, sort_keys=True, default=str)
    return records.Request(
        digest=hashlib.sha256(text.encode()).hexdigest(),
        outputs=tuple(request.outputs),
        line_output=request.line_output or "",
        retry_exit_codes=tuple(config.retry_exit_codes),
        array=config.array,
        timeout_seconds=config.timeout_seconds,
        queue=config.queue or "",
        has_outcome=request.files is not None,
        secret=secret,
    )


def _set(what: Any) -> dict[str, Any]:
    """The fields of a dataclass that are set; a release that adds fields then replays its predecessor's requests."""
    found = {field.name: getattr(what, field.name) for field in dataclasses.fields(what)}
    return {name: value for name, value in found.items() if value}


def manifest(job_id: str, request: JobRequest, chosen: KubernetesSettings, secret: str = "") -> dict[str, Any]:
    """The Job.

    Args:
        job_id: The job's id.
        request: The job.
        chosen: What the operator has set.
        secret: Name of the Secret with the values of the job's secrets; empty for none.

    Raises:
        InvalidRequestError: Kubernetes, or the operator, does not allow it; the error names the field.
    """
    config = request.config
    labels = {records.MANAGED_BY: records.MANAGER}
    given = _given(job_id, request)
    metadata: dict[str, Any] = {
        "name": name_of(job_id, is_array=config.array is not None),
        "labels": labels,
        "annotations": {records.REQUEST: summary(request, secret).to_annotation()},
    }
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "ttlSecondsAfterFinished": chosen.keep_seconds,
        "template": {
            "metadata": {"labels": dict(labels), "annotations": given},
            "spec": _pod(job_id, request, chosen, given, secret),
        },
    }
    if config.array is not None:
        spec |= {
            "completionMode": "Indexed",
            "completions": config.array,
            "parallelism": config.array,
        }
    if config.queue is not None:
        if not _QUEUE.fullmatch(config.queue):
            _refuse("custom.queue", f"{config.queue!r} is not a valid name of a Kueue LocalQueue")
        metadata["labels"] = {**labels, "kueue.x-k8s.io/queue-name": config.queue}
        spec["suspend"] = True  # Kueue starts it; without Kueue it waits, and says so
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _given(job_id: str, request: JobRequest) -> dict[str, str]:
    """The annotations that become files."""
    inputs = json.dumps(request.inputs)
    script = request.config.script or ""
    if request.files is not None:
        script = packing.script(
            job_id,
            request,
            outcome=f"{_FOLDER}/work/outcome.json",
            folder=f"{_FOLDER}/work",
            index_variable=INDEX if request.config.array is not None else None,
        )
    size = len(inputs.encode()) + len(script.encode())
    if size > MOST_GIVEN_BYTES:
        message = f"{size} bytes with the script: Kubernetes takes {MOST_GIVEN_BYTES}"
        field = "custom.script" if len(script) > len(inputs) else "inputs"
        _refuse(field, f"{message}, so put them into the image, or store them and pass their address")
    given = {f"{records.PREFIX}/inputs": inputs}
    return {**given, f"{records.PREFIX}/script": script} if script else given


def _pod(
    job_id: str, request: JobRequest, chosen: KubernetesSettings, given: dict[str, str], secret: str
) -> dict[str, Any]:
    config = request.config
    if request.interruptible and not chosen.has_interruptible:
        message = f"the operator has no interruptible nodes ({PREFIX}INTERRUPTIBLE_TOLERATIONS)"
        _refuse("template.metadata.interruptible", f"{message}: set it to False")
    selector = chosen.labels(interruptible=request.interruptible)
    tolerations = chosen.taints(interruptible=request.interruptible)
    items = [
        {
            "path": name.rpartition("/")[2].replace("inputs", "inputs.json"),
            "fieldRef": {"fieldPath": f"metadata.annotations['{name}']"},
            "mode": 0o555 if name.endswith("script") else 0o444,
        }
        for name in given
    ]
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        # Of the pod, not of the Job: a job that waits for a node spends none of its time.
        "activeDeadlineSeconds": math.ceil(config.timeout_seconds),
        "terminationGracePeriodSeconds": math.ceil(GRACE_SECONDS),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [_container(job_id, request, chosen, secret)],
        "volumes": [
            {"name": "given", "downwardAPI": {"items": items}},
            {"name": "work", "emptyDir": {}},
        ],
    }
    if chosen.user is not None:
        pod["securityContext"] = {
            "runAsNonRoot": True,
            "runAsUser": chosen.user,
            "runAsGroup": chosen.user,
            "fsGroup": chosen.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    if chosen.service_account:
        pod["serviceAccountName"] = chosen.service_account
    if chosen.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in chosen.pull_secrets]
    if selector:
        pod["nodeSelector"] = selector
    if tolerations:
        pod["tolerations"] = tolerations
    return pod


def _container(job_id: str, request: JobRequest, chosen: KubernetesSettings, secret: str) -> dict[str, Any]:
    config = request.config
    confined = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "name": records.CONTAINER,
        "image": _image(config.image, chosen),
        "command": _command(request),
        "workingDir": _directory(request),
        "env": _variables(job_id, request, secret),
        "resources": _resources(request, chosen),
        "terminationMessagePath": f"{_FOLDER}/outputs.json",
        # The end of the log is masked when it is read, and pods are not.
        "terminationMessagePolicy": "File" if secret else "FallbackToLogsOnError",
        **({} if chosen.user is None else {"securityContext": confined}),
        "envFrom": [{"secretRef": {"name": name}} for name in chosen.env_secrets],
        "volumeMounts": [
            {"name": "given", "mountPath": _GIVEN, "readOnly": True},
            {"name": "work", "mountPath": f"{_FOLDER}/work"},
        ],
    }


def _image(wanted: str | None, chosen: KubernetesSettings) -> str:
    image = wanted or chosen.image
    if not image:
        _refuse("custom.image", f"missing: give the image to run in, or set {PREFIX}IMAGE")
    if not _IMAGE.fullmatch(image):
        _refuse("custom.image", f"{image[:200]!r} is not a valid image reference")
    if not chosen.allows(image):
        allowed = ", ".join(chosen.images)
        _refuse("custom.image", f"'{image}' is not allowed ({PREFIX}IMAGES); allowed: {allowed}")
    return image


def _directory(request: JobRequest) -> str:
    wanted = request.config.working_directory
    # The wrapper changes to it itself.
    return wanted if wanted and request.files is None else f"{_FOLDER}/work"


def _command(request: JobRequest) -> list[str]:
    if request.files is not None:
        return [_plain(word) for word in ("/bin/sh", "-c", _WRAPPED, "batch-job", f"{_GIVEN}/script")]
    script = request.config.script
    if script is None:
        command = list(request.config.command or ())
    else:
        command = [f"{_GIVEN}/script"]
        if not script.startswith("#!"):
            command.insert(0, "/bin/sh")
    if request.line_output is not None:
        command = ["/bin/sh", "-c", _LAST_LINE, "batch-job", *command]
    return [_plain(word) for word in command]


def _variables(job_id: str, request: JobRequest, secret: str) -> list[dict[str, Any]]:
    for field in ("env", "secrets"):
        for name in getattr(request.config, field):
            if not _VARIABLE.fullmatch(name):
                _refuse(f"custom.{field}", f"{name!r} is not a name that Kubernetes takes")
    ours = {
        "BATCH_JOB_ID": job_id,
        "BATCH_JOB_INPUTS": f"{_GIVEN}/inputs.json",
        "BATCH_JOB_OUTPUTS": f"{_FOLDER}/outputs.json",
    }
    values = {**request.config.env, **input_variables(request.inputs), **ours}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in values.items())
    if size > MOST_VARIABLES_BYTES:
        message = f"{size} bytes with the inputs: Kubernetes takes {MOST_VARIABLES_BYTES}"
        _refuse("custom.env", message)
    variables: list[dict[str, Any]] = [{"name": name, "value": _plain(value)} for name, value in values.items()]
    if secret:
        variables.append({"name": LISTED, "value": " ".join(request.config.secrets)})
        variables += [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
            for name in request.config.secrets
        ]
    if request.config.array is not None:
        path = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
        source = {"fieldRef": {"fieldPath": path}}
        variables.append({"name": INDEX, "valueFrom": source})
    return variables


def _plain(text: str) -> str:
    """A text in which Kubernetes replaces nothing: it expands `$(NAME)`, and `$$` to a dollar."""
    return text.replace("$", "$$")


def _resources(request: JobRequest, chosen: KubernetesSettings) -> dict[str, Any]:
    config = request.config
    amounts: dict[str, str] = {}
    if config.cpu_count is not None:
        amounts["cpu"] = f"{math.ceil(config.cpu_count * 1000)}m"
    if config.memory_bytes is not None:
        amounts["memory"] = quantities.readable(config.memory_bytes)
    if config.gpu is not None:
        amounts[chosen.gpu_resource] = str(config.gpu)
    return {"requests": amounts, "limits": dict(amounts)} if amounts else {}


def _refuse(field: str, message: str) -> NoReturn:
    raise InvalidRequestError(message, field=field)
