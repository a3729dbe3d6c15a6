"""A connector of your own, which greets."""

from flyte_connectors import ConnectorRegistry, Phase, Resource, SyncConnector


class GreetingConnector(SyncConnector):
    """Answers tasks of type `greeting`."""

    name = "Greeting"
    task_type_name = "greeting"

    async def do(self, task_template, inputs, **kwargs):
        """Greet."""
        return Resource(Phase.SUCCEEDED, outputs={"text": f"Hello {inputs['name']}"})


ConnectorRegistry.register(GreetingConnector)
