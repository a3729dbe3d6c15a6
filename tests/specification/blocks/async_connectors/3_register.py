from flyte.connectors import ConnectorRegistry

ConnectorRegistry.register(BatchJobConnector())
