"""Connectors of the official Flyte SDKs (`flyte`, `flytekit`) and of this project, in either service.

hosting/                 theirs, hosted by `flyte-connectors serve` unchanged
offering/                ours, offered to the service and the tasks of `flyte`
official_references.py   files, folders and tables of `flyte` as ours, and back

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
