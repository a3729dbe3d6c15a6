"""What the operator sets: the table `[plugins.kubernetes]`."""

from __future__ import annotations

import dataclasses
import re

from flyte_connectors.errors import SettingsError
from flyte_connectors.settings import PluginSettings, setting

PREFIX = "FLYTE_CONNECTORS_KUBERNETES_"

_TEMPLATE = re.compile(r"([a-z0-9-]|\{project\}|\{domain\})+")
_OBJECT = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_UNDIVIDED = re.compile(r"\}[a-z0-9]*\{")  # nothing would say where one ends and the other begins


def _template(text: str) -> str:
    is_one = _TEMPLATE.fullmatch(text) and text.count("{project}") == 1 and text.count("{domain}") <= 1
    if not is_one or _UNDIVIDED.search(text):
        expected = "a name with {project} and perhaps {domain}, and - between them, such as '{project}-{domain}'"
        raise SettingsError(f"invalid value {text[:200]!r}: use {expected}")
    return text


def _object(text: str) -> str:
    if not _OBJECT.fullmatch(text):
        raise SettingsError(f"invalid value {text[:200]!r}: use a-z, 0-9, - and .")
    return text


@dataclasses.dataclass(frozen=True)
class KubernetesSettings(PluginSettings, prefix=PREFIX):
    """What the operator sets for secrets in Kubernetes."""

    secrets_namespace: str | None = setting(
        None,
        "namespace that has the secrets of a project and domain, such as `{project}-{domain}`; "
        "without it, none are read from Kubernetes",
        _template,
    )
    secrets_object: str = setting(
        "connector-secrets", "name of the Secret in that namespace; its keys are the names of secrets", _object
    )
