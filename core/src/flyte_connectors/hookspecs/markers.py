"""The markers of the contract, and its version."""

from __future__ import annotations

import pluggy

PROJECT = "flyte.connectors"
"""Name of the pluggy marker and of the entry-point group."""

HOOK_API = 1
"""Version of this contract. A plugin may state the one it was written for as `hook_api`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
