"""The rules that every connector has to obey: `pytest test_exchange.py`."""

import pytest
from exchange import ExchangeConnector, to_dollars, to_doubloons
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest


def request_for(task, euros):
    """What Flyte sends for a task."""
    inputs = task.interface.write_inputs(task.name, {"euros": euros})
    return CreateTaskRequest(template=task.to_proto(), inputs=inputs)


class TestExchange(ConnectorConformance):
    """Inherits the tests."""

    skips = {"test_an_installed_plugin_brings_it": "it is one module, which --module serves"}

    @pytest.fixture
    def connector(self):
        return ExchangeConnector

    @pytest.fixture
    def good_request(self):
        return request_for(to_dollars, 2.0)

    @pytest.fixture
    def bad_requests(self):
        return {"custom.currency": request_for(to_doubloons, 2.0)}
