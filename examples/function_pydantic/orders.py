"""From lines of text to a bill: models of pydantic go into jobs, and come back."""

from datetime import date

from flyte_connectors import TaskEnvironment
from flyte_connectors_batch_job import BatchJobConfig
from pydantic import BaseModel

jobs = TaskEnvironment("orders", plugin_config=BatchJobConfig(timeout_seconds=60))
here = TaskEnvironment("desk")


class Order(BaseModel):
    """What somebody wants."""

    item: str
    amount: int
    day: date = date(2026, 1, 1)


class Bill(BaseModel):
    """What they owe."""

    orders: list[Order]
    total: int


@jobs.task
def parse(lines: list[str]) -> list[Order]:
    """Orders, such as `tea 3`."""
    return [Order(item=item, amount=int(amount)) for item, amount in map(str.split, lines)]


@jobs.task
async def bill(orders: list[Order]) -> Bill:
    """The bill of all orders."""
    return Bill(orders=orders, total=sum(order.amount for order in orders))


@here.task
async def pipeline(lines: list[str]) -> Bill:
    """The bill of some lines."""
    return await bill(await parse(lines))
