"""Tasks for the fake connectors, as a workflow author would write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyte_connectors import (
    AsyncConnectorExecutorMixin,
    NativeInterface,
    SerializationContext,
    SyncConnectorExecutorMixin,
    TaskTemplate,
)

import tests.fakes.fake  # noqa: F401  (registers the connectors)


class FakeTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task whose job does what `plan` says."""

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        *,
        plan: Mapping[str, Any] | None = None,
        task_type: str = "fake_job",
        **kwargs: Any,
    ) -> None:
        interface = NativeInterface(inputs or {}, outputs or {})
        super().__init__(name, interface, task_type, **kwargs)
        self._plan = plan or {}

    def custom_config(self, sctx: SerializationContext) -> Mapping[str, Any]:
        """What the connector receives."""
        return self._plan


class QuickTask(SyncConnectorExecutorMixin, FakeTask):
    """A task that is answered at once."""


echo = FakeTask(
    "echo",
    inputs={"some_text": str, "count": (int, 3)},
    outputs={"count": int, "some_text": str},
    plan={"log": ["first line", "second line"], "message": "all is well"},
)
quick = QuickTask("quick", {"n": int}, {"n": int}, task_type="fake_sync")
endless = FakeTask("endless", plan={"phase": "RUNNING", "log": ["begun"]})
broken = FakeTask("broken", plan={"phase": "FAILED", "message": "division by zero"})
flaky = FakeTask("flaky", retries=2, plan={"phase": "RETRYABLE_FAILED", "message": "machine lost"})
hasty = FakeTask("hasty", timeout=0.3, plan={"phase": "RUNNING"})
homeless = FakeTask("homeless", task_type="nothing")
