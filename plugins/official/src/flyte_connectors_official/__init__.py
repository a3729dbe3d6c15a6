"""Runs connectors of the official Flyte SDKs (`flyte`, `flytekit`) in our service, and ours in theirs.

hosting/                 their connectors, hosted unchanged by `flyte-connectors serve`
offering/                our connectors and tasks, for the service and the deployments of `flyte`
official_references.py   converts files, folders and tables of `flyte` to ours, and back

An SDK is imported only where one of its connectors is already there.
"""

from __future__ import annotations

from typing import Any

from flyte_connectors import hookimpl

__all__ = ["adapt"]


@hookimpl
def adapt(plugin: Any) -> Any:
    """Host a connector of the official SDKs, or those that a module has registered with them."""
    from flyte_connectors_official.hosting import adapter

    return adapter.adapt(plugin)
