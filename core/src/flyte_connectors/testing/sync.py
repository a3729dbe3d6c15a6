"""Quick answers, for connectors with `do`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.connector import Phase
from flyte_connectors.testing.harness import Driver, driving
from flyte_connectors.testing.rule import rule


class SyncRules:
    """Rules of `do`."""

    @rule("do")
    async def test_do_answers(self, driver: Driver, task_request: pb.CreateTaskRequest) -> None:
        """A good request succeeds, with every output that the task declares."""
        resource = await driver.get(await driver.create(task_request))
        message = f"a good request is {Phase(resource.phase).name}, not SUCCEEDED: {resource.message}"
        assert Phase(resource.phase) is Phase.SUCCEEDED, message

    @rule("do")
    async def test_do_can_be_repeated(self, connector: Callable[[], Any], task_request: pb.CreateTaskRequest) -> None:
        """Flyte repeats a request, on any replica, when it did not get the answer."""
        answers = []
        for _ in range(2):
            async with driving(connector()) as driver:
                answers.append(await driver.get(await driver.create(task_request)))
        assert answers[0] == answers[1], "the same request got two answers: repeating do must not change the result"
