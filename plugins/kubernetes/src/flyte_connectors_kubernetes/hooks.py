"""What the service calls of this plugin, where the operator has named the namespaces."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from flyte_connectors import hookimpl

from flyte_connectors_kubernetes.settings import KubernetesSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@hookimpl
async def find_secrets(project: str, domain: str, names: Sequence[str]) -> Mapping[str, str] | None:
    """The secrets of a project and domain, from its namespace."""
    chosen = KubernetesSettings.read()
    if chosen.secrets_namespace is None:
        return None
    from flyte_connectors_kubernetes.secrets import find  # httpx, which other services do not need

    return await find(chosen, project, domain, names)


@hookimpl
def check_connection() -> list[str]:
    """Where secrets are read, once the API server has said what this service may read."""
    chosen = KubernetesSettings.read()
    if chosen.secrets_namespace is None:
        return []
    from flyte_connectors_kubernetes.secrets import check

    return [asyncio.run(check(chosen))]
