"""Task classes, function tasks and `run` as workflow authors use them."""

from __future__ import annotations

import datetime
from typing import Any

from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    DataFrame,
    File,
    NativeInterface,
    Resources,
    SerializationContext,
    SyncConnectorExecutorMixin,
    TaskEnvironment,
    TaskTemplate,
    run,
)
from flyteidl2.core import tasks_pb2
from typing_extensions import assert_type

env = TaskEnvironment("example", resources=Resources(cpu=1, memory="1Gi"))


class TrainTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task class as connector packages ship them."""

    def __init__(self, name: str, endpoint: str, **kwargs: Any) -> None:
        interface = NativeInterface(
            inputs={"epochs": int, "dataset": (str, "s3://bucket/data")}, outputs={"results": File}
        )
        super().__init__(name=name, interface=interface, task_type="train", **kwargs)
        self.endpoint = endpoint

    def custom_config(self, sctx: SerializationContext) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "version": sctx.version}


class QueryTask(SyncConnectorExecutorMixin, TaskTemplate):
    def __init__(self, name: str, query: str) -> None:
        super().__init__(name, NativeInterface(outputs={"rows": DataFrame}), "query", retries=2)
        self.query = query

    def sql(self, sctx: SerializationContext) -> str:
        return self.query


train = TrainTask("train", "https://example.com", timeout=datetime.timedelta(hours=1))
assert_type(train.to_proto(), tasks_pb2.TaskTemplate)
env_of_tasks = TaskEnvironment.from_task("existing", train, QueryTask("rows", "SELECT 1"))


@env.task
def add(x: int, y: int = 1) -> int:
    """A plain function."""
    return x + y


@env.task
async def halve(x: int) -> int:
    """An async one."""
    return x // 2


@env.task(name="double", retries=1, timeout=30)
async def double(x: int) -> int:
    """One with settings."""
    return add(x) + await halve(x)


assert_type(add(1, y=2), int)
add("1")  # type: ignore[arg-type]
add()  # type: ignore[call-arg]
finished = run(double, x=3)
assert_type(finished.name, str)
print(finished.outputs(), finished.url, finished.phase.name)


async def from_async_code() -> None:
    """`run` has an async twin."""
    assert_type((await run.aio(train, epochs=1)).url, str)
