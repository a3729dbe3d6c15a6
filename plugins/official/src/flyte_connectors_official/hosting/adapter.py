"""The hook `adapt`: connectors of the official SDKs as connectors of ours.

The module of each SDK's adapter, which imports that SDK, is imported when the first one is met.
"""

from __future__ import annotations

import types
from typing import Any

from flyte_connectors_official.hosting.official_sdk import FLYTE, registered_by, sdk_of


def adapt(plugin: Any) -> Any:
    """See `flyte_connectors.hookspecs.adapt`."""
    if isinstance(plugin, types.ModuleType):
        return [_hosted(connector) for connector in registered_by(plugin)] or None
    return None if sdk_of(plugin) is None else _hosted(plugin)


def _hosted(connector: Any) -> Any:
    if sdk_of(connector) == FLYTE:
        from flyte_connectors_official.hosting.official_connectors import HostedConnector

        return HostedConnector(connector)
    from flyte_connectors_official.hosting.flytekit_connectors import HostedFlytekitConnector

    return HostedFlytekitConnector(connector)
