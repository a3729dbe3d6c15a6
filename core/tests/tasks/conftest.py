"""Tasks of the fake service, and an execution that runs them here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from fake_jobs import TASK_TYPE, JobConnector, JobService
from flyte_connectors import AsyncConnectorExecutorMixin, NativeInterface, TaskTemplate
from flyte_connectors.client.local import local_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flyte_connectors._dispatch.dispatcher import Dispatcher
    from flyte_connectors._registry.table import Registry


class JobTask(AsyncConnectorExecutorMixin, TaskTemplate):
    """A task of the fake service."""


@pytest.fixture
def make_task() -> Callable[..., JobTask]:
    """Make a task from its interface."""

    def make(inputs: Any = None, outputs: Any = None, **kwargs: Any) -> JobTask:
        interface = NativeInterface(inputs or {}, outputs or {})
        return JobTask("count", interface, TASK_TYPE, **kwargs)

    return make


@pytest.fixture
def client(process_registry: Registry, service: JobService, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dispatcher]:
    """The connectors of this process: the fake service's, and no installed ones."""
    monkeypatch.setenv("FLYTE_CONNECTORS_ALLOW", "")
    process_registry.register(JobConnector(service))
    local_client.cache_clear()
    yield cast("Dispatcher", local_client())
    local_client.cache_clear()
