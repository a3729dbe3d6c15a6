"""`run(task, ...)`: runs a task, locally or on a connector service."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sys
from collections.abc import AsyncIterator
from typing import Any

from flyte_connectors.client.connector_client import ConnectorClient
from flyte_connectors.client.local import local_client
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.calls import run_sync
from flyte_connectors.tasks.current_run import CurrentRun, within_run
from flyte_connectors.tasks.template import TaskTemplate


@dataclasses.dataclass(frozen=True)
class Run:
    """A successful run; a failed one raises instead.

    Attributes:
        name: Name of the run.
        url: Where its jobs write outputs.
        phase: SUCCEEDED.
    """

    name: str
    url: str
    phase: Phase
    _result: Any = dataclasses.field(repr=False)

    def outputs(self) -> Any:
        """The outputs: nothing, the value, or a named tuple of values."""
        return self._result

    def wait(self) -> None:
        """Return at once: a local run is over before it is returned."""


class _RunFunction:
    """Runs a task: `run(task, x=1)` from plain code, `await run.aio(task, x=1)` from async code.

    Returns:
        The `Run`.

    Raises:
        InvalidRequestError: an input is missing, undeclared or of the wrong type.
        TaskFailedError: the task ended without success.
    """

    def __init__(self, endpoint: str = "") -> None:
        self._endpoint = endpoint

    def on(self, endpoint: str) -> _RunFunction:
        """The same through a connector service: `run.on("localhost:8000")(task, x=1)`.

        Args:
            endpoint: `host:port`, or `https://host:port` for TLS. What the client trusts and sends is
                in `FLYTE_CONNECTORS_ENDPOINT_CA` and `FLYTE_CONNECTORS_ENDPOINT_TOKEN`.
        """
        return _RunFunction(endpoint)

    def __call__(self, task: TaskTemplate, *args: Any, **kwargs: Any) -> Run:
        return run_sync(self.aio(task, *args, **kwargs))

    async def aio(self, task: TaskTemplate, *args: Any, **kwargs: Any) -> Run:
        """Run a task from async code."""
        inputs = task.interface.bind(task.name, args, kwargs)
        async with self._client() as client:
            with within_run(CurrentRun(client=client)) as execution:
                result = await task.execute(**inputs)
        return Run(execution.name, execution.output_prefix, Phase.SUCCEEDED, result)

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[ConnectorClient]:
        if not self._endpoint:
            yield local_client()
            return
        from flyte_connectors.client.remote import RemoteService  # needs grpc, unlike a local run

        async with RemoteService.from_environment(self._endpoint) as service:
            yield service


run = _RunFunction()


def init_from_config(
    path_or_config: str | pathlib.Path | None = None,  # noqa: ARG001  (as in the official SDK)
    root_dir: str | pathlib.Path | None = None,
    **_: Any,
) -> None:
    """Set the root of the author's code; scripts written for the official SDK run unchanged.

    Args:
        path_or_config: Not read: a local run needs no back end.
        root_dir: Top of the author's code. Modules are imported from it, and those that a deployment
            includes are called as seen from it; by default from the deployment script's folder.

    Raises:
        InvalidRequestError: `root_dir` is not a folder.
    """
    if root_dir is None:
        return
    folder = pathlib.Path(root_dir).expanduser().resolve()
    if not folder.is_dir():
        raise InvalidRequestError(f"{str(root_dir)!r} is not a folder", field="root_dir")
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    _code_roots.append(folder)


_code_roots: list[pathlib.Path] = []


def code_root() -> pathlib.Path | None:
    """The `root_dir` of the last `init_from_config`; None before any."""
    return _code_roots[-1] if _code_roots else None
