"""What the operator sets for jobs on Kubernetes: the table `kubernetes` in the plugin's own."""

from __future__ import annotations

import dataclasses
import fnmatch
import re

from flyte_connectors.errors import SettingsError
from flyte_connectors.settings import setting

PREFIX = "FLYTE_BATCH_JOB_KUBERNETES_"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PAIR = re.compile(r"([\w./-]{1,317})=([\w.-]{0,63})")
_TAINT = re.compile(r"([\w./-]{1,317})(?:=([\w.-]{0,63}))?(?::(NoSchedule|PreferNoSchedule|NoExecute))?")
_LINK = re.compile(r"([^=\s]{1,64})=(https?://\S+)")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise _invalid(text, "lower-case letters, digits and '-'")
    return text


def _word(text: str) -> str:
    if len(text.split()) != 1:
        raise _invalid(text, "one word")
    return text


def _pair(text: str) -> str:
    if not _PAIR.fullmatch(text):
        raise _invalid(text, "a label such as 'pool=batch'")
    return text


def _taint(text: str) -> str:
    if not _TAINT.fullmatch(text):
        raise _invalid(text, "a taint such as 'spot=true:NoSchedule' or 'gpu'")
    return text


def _link(text: str) -> str:
    match = _LINK.fullmatch(text)
    try:
        if match and match[2].format(namespace="", job=""):
            return text
    except (LookupError, ValueError):
        pass
    raise _invalid(text, "a link such as 'Logs=https://logs.example.org/{namespace}/{job}'")


def _invalid(text: str, expected: str) -> SettingsError:
    return SettingsError(f"invalid value {text[:200]!r}: use {expected}")


@dataclasses.dataclass(frozen=True)
class KubernetesSettings:
    """What the operator sets for jobs on Kubernetes."""

    namespace: str | None = setting(None, "namespace of the jobs", _name, default_text="that of the credentials")
    service_account: str | None = setting(
        None,
        "service account of the jobs' pods, whose token is not mounted",
        _word,
        default_text="the namespace's default",
    )
    user: int | None = setting(
        None,
        "user and group id of the jobs, who then get no capabilities: Pod Security `restricted` asks for it",
        minimum=1,
        default_text="that of the image",
    )
    image: str | None = setting(None, "image of tasks that name none", _word)
    images: tuple[str, ...] = setting(
        (),
        "images that tasks may name, as patterns such as `registry.example.org/team/*`",
        _word,
        default_text="any",
    )
    pull_secrets: tuple[str, ...] = setting((), "names of Secrets with which images are pulled", _word)
    env_secrets: tuple[str, ...] = setting(
        (),
        "names of Secrets whose keys are environment variables of every job, such as the credentials "
        "of the store that its files are in",
        _word,
    )
    node_selector: tuple[str, ...] = setting((), "labels of the nodes that jobs run on, such as `pool=batch`", _pair)
    tolerations: tuple[str, ...] = setting(
        (), "taints that jobs tolerate, such as `batch=yes:NoSchedule` or `gpu`", _taint
    )
    interruptible_node_selector: tuple[str, ...] = setting(
        (), "labels of the nodes of tasks with `interruptible=True`, beside the others", _pair
    )
    interruptible_tolerations: tuple[str, ...] = setting(
        (),
        "taints that only tasks with `interruptible=True` tolerate; these are refused if there are "
        "neither such labels nor such taints",
        _taint,
    )
    gpu_resource: str = setting("nvidia.com/gpu", "resource by which GPUs are asked for", _word)
    keep_seconds: int = setting(86400, "seconds that an ended Job stays, with its log and its outputs", minimum=0)
    pull_seconds: int = setting(300, "seconds that an image may fail to be pulled before its job fails", minimum=0)
    links: tuple[str, ...] = setting(
        (),
        "pages about each job, such as `Logs=https://logs.example.org/{namespace}/{job}`",
        _link,
    )

    def allows(self, image: str) -> bool:
        """Whether tasks may run in this image."""
        patterns = (*self.images, self.image or "") if self.images else ("*",)
        return any(fnmatch.fnmatchcase(image, pattern) for pattern in patterns)

    @property
    def has_interruptible(self) -> bool:
        """Whether there are nodes for interruptible tasks."""
        return bool(self.interruptible_node_selector or self.interruptible_tolerations)

    def labels(self, *, interruptible: bool) -> dict[str, str]:
        """The labels of a task's nodes."""
        more = self.interruptible_node_selector if interruptible else ()
        matches = (_PAIR.fullmatch(text) for text in (*self.node_selector, *more))
        return {match[1]: match[2] for match in matches if match}

    def taints(self, *, interruptible: bool) -> list[dict[str, str]]:
        """The tolerations of a task, as the API takes them."""
        more = self.interruptible_tolerations if interruptible else ()
        matches = (_TAINT.fullmatch(text) for text in (*self.tolerations, *more))
        return [_toleration(match[1], match[2], match[3]) for match in matches if match]

    def pages(self, namespace: str, job: str) -> list[tuple[str, str]]:
        """Name and URL of the pages about a job."""
        found = (text.partition("=") for text in self.links)
        return [(name, url.format(namespace=namespace, job=job)) for name, _, url in found]


def _toleration(key: str, value: str | None, effect: str | None) -> dict[str, str]:
    toleration = {"key": key, "operator": "Exists" if value is None else "Equal"}
    if value is not None:
        toleration["value"] = value
    return {**toleration, "effect": effect} if effect else toleration
