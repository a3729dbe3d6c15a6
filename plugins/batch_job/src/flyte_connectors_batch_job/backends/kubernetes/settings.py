"""What the operator sets for jobs on Kubernetes, in `FLYTE_BATCH_JOB_KUBERNETES_...`."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
import re
from typing import Any

from flyte_connectors.errors import ServiceUnavailableError

PREFIX = "FLYTE_BATCH_JOB_KUBERNETES_"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PAIR = re.compile(r"([\w./-]{1,317})=([\w.-]{0,63})")
_TOLERATION = re.compile(r"([\w./-]{1,317})(?:=([\w.-]{0,63}))?(?::(\w+))?")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_LINK = re.compile(r"([^=\s]{1,64})=(https?://\S+)")


@dataclasses.dataclass(frozen=True)
class Settings:
    """The operator's choices.

    Attributes:
        namespace: Where jobs run; empty for the namespace of the credentials.
        service_account: Of the jobs' pods; empty for the namespace's default. Its token is not mounted.
        image: For tasks that name none; empty if they have to.
        images: Patterns of the images that tasks may name, such as `registry.example.org/team/*`; empty for any.
        pull_secrets: Names of Secrets with which images are pulled.
        node_selector: Labels of the nodes that jobs run on.
        tolerations: Taints that jobs tolerate.
        interruptible_node_selector: Labels of nodes for interruptible tasks, beside those of all.
        interruptible_tolerations: Taints that interruptible tasks tolerate, beside those of all.
        gpu_resource: By which GPUs are asked for.
        keep_seconds: How long an ended Job stays, with its log.
        pull_seconds: How long an image may fail to be pulled before its job fails.
        links: Name and URL of pages about a job; `{namespace}` and `{job}` stand for its own.
    """

    namespace: str = ""
    service_account: str = ""
    image: str = ""
    images: tuple[str, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[tuple[str, str | None, str], ...] = ()
    interruptible_node_selector: tuple[tuple[str, str], ...] = ()
    interruptible_tolerations: tuple[tuple[str, str | None, str], ...] = ()
    gpu_resource: str = "nvidia.com/gpu"
    keep_seconds: int = 86400
    pull_seconds: int = 300
    links: tuple[tuple[str, str], ...] = ()

    def allows(self, image: str) -> bool:
        """Whether tasks may run in this image."""
        patterns = (*self.images, self.image) if self.images else ("*",)
        return any(fnmatch.fnmatchcase(image, pattern) for pattern in patterns)


def settings() -> Settings:
    """The settings in the environment.

    Raises:
        ServiceUnavailableError: one is invalid; the text names its variable.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(Settings):
        text = os.environ.get(PREFIX + field.name.upper(), "").strip()
        if text:
            found[field.name] = _READERS[field.name](PREFIX + field.name.upper(), text)
    return Settings(**found)


def _name(variable: str, text: str) -> str:
    if not _LABEL.fullmatch(text):
        _refuse(variable, text, "a name of lower-case letters, digits and '-'")
    return text


def _plain(variable: str, text: str) -> str:
    if len(text.split()) != 1:
        _refuse(variable, text, "one word")
    return text


def _several(variable: str, text: str) -> tuple[str, ...]:  # noqa: ARG001  (as all readers)
    return tuple(text.replace(",", " ").split())


def _seconds(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):  # noqa: PLR2004  (31 years)
        _refuse(variable, text, "a whole number of seconds")
    return int(text)


def _pairs(variable: str, text: str) -> tuple[tuple[str, str], ...]:
    matches = [_PAIR.fullmatch(word) for word in _several(variable, text)]
    if not all(matches):
        _refuse(variable, text, "labels such as 'pool=batch,disk=ssd'")
    return tuple((match[1], match[2]) for match in matches if match)


def _tolerations(variable: str, text: str) -> tuple[tuple[str, str | None, str], ...]:
    matches = [_TOLERATION.fullmatch(word) for word in _several(variable, text)]
    found = tuple((match[1], match[2], match[3] or "") for match in matches if match)
    if len(found) < len(matches) or any(entry[2] not in ("", *_EFFECTS) for entry in found):
        _refuse(variable, text, "taints such as 'spot=true:NoSchedule,gpu'")
    return found


def _links(variable: str, text: str) -> tuple[tuple[str, str], ...]:
    matches = [_LINK.fullmatch(word) for word in text.split()]
    try:
        for match in matches:
            if match:
                match[2].format(namespace="", job="")
    except (KeyError, IndexError, ValueError):
        matches = [None]
    if not all(matches):
        _refuse(variable, text, "links such as 'Logs=https://logs.example.org/{namespace}/{job}'")
    return tuple((match[1], match[2]) for match in matches if match)


def _refuse(variable: str, text: str, expected: str) -> None:
    raise ServiceUnavailableError(f"{variable} is {text[:200]!r}: set it to {expected}")


_READERS: dict[str, Any] = {
    "namespace": _name,
    "service_account": _plain,
    "image": _plain,
    "images": _several,
    "pull_secrets": _several,
    "node_selector": _pairs,
    "tolerations": _tolerations,
    "interruptible_node_selector": _pairs,
    "interruptible_tolerations": _tolerations,
    "gpu_resource": _plain,
    "keep_seconds": _seconds,
    "pull_seconds": _seconds,
    "links": _links,
}
