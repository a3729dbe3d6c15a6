"""A client of the connectors of this process, for local runs."""

from __future__ import annotations

import os
from functools import lru_cache

from flyte_connectors.client.connector_client import ConnectorClient


@lru_cache(maxsize=1)
def local_client() -> ConnectorClient:
    """The connectors of this process, installed plugins included."""
    # Runs on a service need none of these.
    from flyte_connectors._calls.guard import CallGuard
    from flyte_connectors._dispatch.dispatcher import Dispatcher
    from flyte_connectors._registry.discovery import load_plugins
    from flyte_connectors._registry.table import process_registry

    registry = process_registry()
    load_plugins(registry)
    return Dispatcher(registry, CallGuard(), local=True)


os.register_at_fork(after_in_child=local_client.cache_clear)  # its threads are the parent's
