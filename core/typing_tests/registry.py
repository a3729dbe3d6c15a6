"""The registry takes whatever a connector can be, and answers with Flyte's messages."""

from __future__ import annotations

import sys

from flyte_connectors import AsyncConnector, ConnectorRegistry, SyncConnector, TaskCategory
from flyteidl2.connector.connector_pb2 import Connector
from typing_extensions import assert_type


class Quick(SyncConnector):
    name = "Quick"
    task_type_name = "quick"


ConnectorRegistry.register(Quick)
ConnectorRegistry.register(Quick(), override=True)
ConnectorRegistry.register(AsyncConnector(task_type_name="other"))
ConnectorRegistry.register(sys.modules[__name__])
assert_type(ConnectorRegistry.list_connectors(), list[Connector])
assert_type(ConnectorRegistry.get_connector_metadata("Quick"), Connector)
assert_type(Quick().task_category, TaskCategory)
