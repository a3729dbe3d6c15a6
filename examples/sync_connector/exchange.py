"""A connector that answers at once: it converts money by the rates of a file."""

import json
import os
import pathlib

from flyte_connectors import (
    ConnectorRegistry,
    NativeInterface,
    Phase,
    Resource,
    SyncConnector,
    SyncConnectorExecutorMixin,
    TaskTemplate,
)
from flyte_connectors.errors import InvalidRequestError, ServiceUnavailableError

RATES = pathlib.Path(os.environ.get("EXCHANGE_RATES", "rates.json"))


class ExchangeConnector(SyncConnector):
    """Answers tasks of type `exchange`."""

    name = "Exchange"
    task_type_name = "exchange"

    def do(self, task_template, inputs, **kwargs):
        """Convert an amount. A plain `def` runs in a thread, so it may read files."""
        try:
            rates = json.loads(RATES.read_text())
        except OSError as error:
            raise ServiceUnavailableError(f"the rates can't be read: {error}") from error
        currency = task_template.custom["currency"]
        if currency not in rates:
            known = ", ".join(sorted(rates))
            raise InvalidRequestError(
                f"{currency!r} has no rate; there are {known}", field="custom.currency"
            )
        return Resource(Phase.SUCCEEDED, outputs={"amount": inputs["euros"] * rates[currency]})


ConnectorRegistry.register(ExchangeConnector)


class ExchangeTask(SyncConnectorExecutorMixin, TaskTemplate):
    """Converts euros into a currency."""

    def __init__(self, name: str, currency: str) -> None:
        super().__init__(name, NativeInterface({"euros": float}, {"amount": float}), "exchange")
        self._currency = currency

    def custom_config(self, sctx):
        """The task's configuration, which goes to the connector as `task_template.custom`."""
        return {"currency": self._currency}


to_dollars = ExchangeTask("to_dollars", "USD")
to_doubloons = ExchangeTask("to_doubloons", "XXD")
