"""What runs in a cluster as an app of Flyte, under the official SDK's module name."""

from __future__ import annotations

from flyte_connectors.deployment.environment import ConnectorEnvironment

__all__ = ["ConnectorEnvironment"]
