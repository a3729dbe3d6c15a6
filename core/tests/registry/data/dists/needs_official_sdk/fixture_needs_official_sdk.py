"""A plugin for the official SDK, where that is not installed."""

import flyte.connectors  # noqa: F401
