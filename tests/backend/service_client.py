"""How the back end dials a connector service and calls it.

Source: `connector/client.go` and `connector/config.go` of Flyte's back end. Round robin over the
replicas, so that consecutive calls of one task meet different ones; no retry policy; messages above
4 MB are refused; a ping every 30 s while a call is active; a deadline on every call.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl2.connector.connector_pb2 import ListConnectorsRequest
from flyteidl2.connector.service_pb2_grpc import (
    AsyncConnectorServiceStub,
    ConnectorMetadataServiceStub,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self

OPTIONS = [
    ("grpc.default_authority", "localhost"),  # h2corn refuses that of a list of addresses
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # All times of this model are scaled down, so is the one until a dead replica is redialled.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclass(frozen=True)
class Timings:
    """The back end's periods in seconds, scaled down: Flyte's defaults are 30, 10, 10 and -.

    Attributes:
        poll: Between two reads of a task.
        deadline: Of every call but `CreateTask`.
        create: The deadline of `CreateTask`, which operators raise for slow vendors.
        discovery: Between two `ListConnectors`.
        persist: That writing down a task's state takes.
    """

    poll: float = 0.5
    deadline: float = 2.0
    create: float = 2.0
    discovery: float = 1.0
    persist: float = 0.01


class ServiceClient:
    """A connection to the replicas of one connector service, with a record of what came back.

    Attributes:
        codes: How often each call ended how: (method, status code name) to count.
        examples: The details of the first call that ended with each error.
        seconds: Latencies of the answered calls by method, in seconds.
        leaks: Where the secret canary was seen.
    """

    def __init__(self, addresses: Iterable[str], timings: Timings, canary: str) -> None:
        self.timings = timings
        self.channel = grpc.aio.insecure_channel(f"ipv4:{','.join(addresses)}", options=OPTIONS)
        self.codes: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], str] = {}
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.leaks: Counter[str] = Counter()
        self._canary = canary
        self._verbs = AsyncConnectorServiceStub(self.channel)
        self._metadata = ConnectorMetadataServiceStub(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.channel.close()

    async def call(self, method: str, request: Any) -> Any:
        """Call a verb (`CreateTask`, `GetTask`, `DeleteTask`).

        Raises:
            grpc.aio.AioRpcError: Any status but OK. The back end does not look at which.
        """
        return await self._record(method, getattr(self._verbs, method), request)

    async def task_types(self) -> set[str]:
        """The task types that `ListConnectors` names; none where it is not implemented.

        Raises:
            grpc.aio.AioRpcError: Any other error; the types of this service are then gone until
                the next time.
        """
        try:
            reply = await self._record("ListConnectors", self._metadata.ListConnectors, ListConnectorsRequest())
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return set()
            raise
        return {category.name for connector in reply.connectors for category in connector.supported_task_categories}

    async def _record(self, method: str, stub: Any, request: Any) -> Any:
        began = time.perf_counter()
        is_create = method == "CreateTask"
        try:
            deadline = self.timings.create if is_create else self.timings.deadline
            reply = await stub(request, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            self.codes[method, code] += 1
            self.examples.setdefault((method, code), error.details() or "")
            if self._canary in f"{error.details()} {error.trailing_metadata()}":
                self.leaks["gRPC status"] += 1
            raise
        self.seconds[method].append(time.perf_counter() - began)
        self.codes[method, "OK"] += 1
        if self._canary.encode() in reply.SerializeToString():
            self.leaks[f"{method} reply"] += 1
        return reply
