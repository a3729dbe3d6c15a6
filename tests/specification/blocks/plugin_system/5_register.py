from flytekit.extend.backend.base_connector import ConnectorRegistry

ConnectorRegistry.register(MySyncConnector())
ConnectorRegistry.register(MyAsyncConnector())
