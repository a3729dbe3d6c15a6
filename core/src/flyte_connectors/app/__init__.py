"""What runs in a cluster as an app of Flyte, under the official SDK's module name; needs the extra `deploy`."""

from __future__ import annotations

from flyte_connectors import ConnectorEnvironment

__all__ = ["ConnectorEnvironment"]
