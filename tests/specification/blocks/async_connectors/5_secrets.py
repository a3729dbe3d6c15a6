from flyte.connectors._connector import ConnectorSecretsMixin

class SecureConnector(AsyncConnector, ConnectorSecretsMixin):
    def __init__(self, secrets: Dict[str, str]):
        super().__init__(secrets=secrets)
    # ... implementation ...

    async def create(self, task_template, **kwargs) -> ResourceMeta:
        # Access secret value from kwargs
        api_key = kwargs.get("my_api_key")
        # ... use api_key to authenticate ...
