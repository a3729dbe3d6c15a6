"""What the fuzzer sends: a method, bytes for it, and how they are sent."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import Any

import grpc
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.security_pb2 import Connection
from google.protobuf.message import EncodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest

from tests.fakes.requests import create_request

from .fuzz_values import FLOATS, NUMBERS, TEXTS, damage, envelope, fill

JOBS = ("flyteidl2.connector.AsyncConnectorService", "flyteidl.service.AsyncAgentService")
METADATA = ("flyteidl2.connector.ConnectorMetadataService", "flyteidl.service.AgentMetadataService")
VERBS: dict[str, type] = {
    "CreateTask": pb.CreateTaskRequest,
    "GetTask": pb.GetTaskRequest,
    "DeleteTask": pb.DeleteTaskRequest,
    "GetTaskMetrics": pb.GetTaskMetricsRequest,
    "GetTaskLogs": pb.GetTaskLogsRequest,
}
LISTS = {
    f"/{METADATA[0]}/ListConnectors": pb.ListConnectorsRequest,
    f"/{METADATA[0]}/GetConnector": pb.GetConnectorRequest,
    f"/{METADATA[1]}/ListAgents": pb.ListConnectorsRequest,
    f"/{METADATA[1]}/GetAgent": pb.GetConnectorRequest,
    "/grpc.health.v1.Health/Check": HealthCheckRequest,
    "/grpc.health.v1.Health/Watch": HealthCheckRequest,
}
OTHERS = (
    "/flyteidl.service.SyncAgentService/ExecuteTaskSync",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    f"/{JOBS[0]}/NoSuchMethod",
    "/",
    "/no/such/service",
)
TYPES = {"honest": 0, "honest_plain": 2, "honest_sync": 0}
"""Versions by task type."""

TRAINING = "external_model_training"
LARGEST_DURATION = 315_576_000_000
RUNS = 500
BATCH_JOBS = 200


@dataclass(frozen=True)
class Shot:
    """One request.

    Attributes:
        kind: How its bytes were made.
        cancel_after: Seconds after which its caller leaves.
        requests: How often the message is sent, on a stream of requests.
    """

    kind: str
    method: str
    payload: bytes
    timeout: float = 10.0
    cancel_after: float | None = None
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    compression: grpc.Compression = grpc.Compression.NoCompression
    is_stream: bool = False


class Gun:
    """Makes shots.

    Args:
        metas: Metas of real jobs, by task type.
        secret: What `Connection.secrets` holds.
    """

    def __init__(self, draw: random.Random, metas: dict[str, bytes], secret: str) -> None:
        self._draw = draw
        self._metas = metas
        self._secret = secret
        self._batch_jobs = 0
        self._types = (*TYPES, TRAINING)
        self._kinds = (
            self.noise,
            self.damaged,
            self.filled,
            self.create,
            self.create,
            self.meta,
            self.meta,
            self.meta,
            self.reading,
            self.listing,
        )

    def shot(self) -> Shot:
        """The next one."""
        kind = self._draw.choice(self._kinds)
        while True:
            try:
                return self._sent(kind.__name__, *kind())
            except (EncodeError, ValueError):  # a text that protobuf itself refuses
                continue

    def noise(self) -> tuple[str, bytes]:
        """Bytes that are not a message."""
        method = self._draw.choice((*self._verbs(), *LISTS, *OTHERS))
        return method, self._draw.randbytes(self._draw.choice((0, 1, 5, 60, 2000)))

    def damaged(self) -> tuple[str, bytes]:
        """A good message with a fault in its bytes."""
        verb = self._draw.choice(list(VERBS))
        data: bytes = self._good(verb).SerializeToString()
        return self._method(verb), damage(data, self._draw)

    def filled(self) -> tuple[str, bytes]:
        """A message of odd values, but a known task type."""
        verb = self._draw.choice(list(VERBS))
        message = fill(VERBS[verb](), self._draw)
        if verb == "CreateTask":
            message.template.type = self._draw.choice(self._types)
        else:
            message.task_category.name = self._draw.choice(self._types)
        return self._method(verb), message.SerializeToString()

    def create(self) -> tuple[str, bytes]:
        """A create with odd inputs, an odd interface or an odd `custom`."""
        message = self._good("CreateTask")
        draw, template = self._draw, message.template
        part = draw.choice(("inputs", "interface", "custom", "execution", "literals", "secrets"))
        if part == "inputs":
            fill(message.inputs, draw)
        elif part == "interface":
            fill(template.interface, draw)
        elif part == "literals":
            for literal in message.inputs.literals:
                literal.value.Clear()
                fill(literal.value, draw)
        elif part == "execution":
            fill(message.task_execution_metadata, draw)
        elif part == "secrets":
            table = {draw.choice(TEXTS): draw.choice(TEXTS) for _ in range(3)}
            template.custom.update({"secrets": draw.choice((table, "x", [1], 3, None))})
        elif template.type == "batch_job":
            name = draw.choice(("env", "working_directory", "timeout_seconds", draw.choice(TEXTS)))
            template.custom.fields[name].number_value = draw.choice(FLOATS)
        else:
            fill(template.custom, draw)
        return self._method("CreateTask"), message.SerializeToString()

    def meta(self) -> tuple[str, bytes]:
        """A later call with a meta that is damaged, another connector's, or made by hand."""
        verb = self._draw.choice(("GetTask", "GetTask", "DeleteTask", "GetTaskLogs", "GetTaskMetrics"))
        message = self._good(verb)
        task_type = message.task_category.name
        good, other = message.resource_meta, self._draw.choice(list(self._metas.values()))
        inner = self._draw.choice((b"{}", b"[]", b"null", b'{"key": 1}', b"\xff", b'{"key":"x"}'))
        message.resource_meta = self._draw.choice(
            (
                damage(good, self._draw),
                other,
                inner,
                envelope(task_type, inner, self._draw),
                envelope(task_type, self._good("CreateTask").SerializeToString(), self._draw),
            )
        )
        return self._method(verb), message.SerializeToString()

    def reading(self) -> tuple[str, bytes]:
        """Odd pages, queries and times, of a job that exists."""
        draw = self._draw
        if draw.random() < 0.5:
            logs = self._good("GetTaskLogs")
            logs.token, logs.lines = draw.choice(TEXTS), draw.choice((0, 1, 10, 2**32 - 1, 2**63))
            return self._method("GetTaskLogs"), logs.SerializeToString()
        metrics = self._good("GetTaskMetrics")
        metrics.queries.extend(draw.choice(TEXTS) for _ in range(draw.randrange(3)))
        far = (*NUMBERS, LARGEST_DURATION, -62135596801, 253402300800)
        for time in (metrics.start_time, metrics.end_time, metrics.step):
            time.seconds, time.nanos = draw.choice(far), draw.choice((0, -1, 2**31 - 1))
        return self._method("GetTaskMetrics"), metrics.SerializeToString()

    def listing(self) -> tuple[str, bytes]:
        """Lists and health, asked for with odd names."""
        method = self._draw.choice(list(LISTS))
        return method, fill(LISTS[method](), self._draw).SerializeToString()

    def _sent(self, kind: str, method: str, payload: bytes) -> Shot:
        """How it is sent: mostly as anybody would."""
        draw, way = self._draw, self._draw.random()
        options: dict[str, Any] = {}
        if way < 0.03:
            options["timeout"] = draw.choice((0.0001, 0.001, 0.01, 0.05))
        elif way < 0.06:
            options["cancel_after"] = draw.choice((0.0, 0.001, 0.01))
        elif way < 0.08:
            size = draw.choice((10, 3000, 20_000))
            options["metadata"] = (("x-odd", "v" * size), ("x-odd-bin", draw.randbytes(size // 2)))
        elif way < 0.10:
            options["compression"] = draw.choice((grpc.Compression.Gzip, grpc.Compression.Deflate))
        elif way < 0.105:
            payload += struct.pack("<BI", 0xFA, 1) + b"z" * 100_000
        is_stream = method.endswith(("GetTaskLogs", "Watch", "Info", "Sync"))
        return Shot(kind, method, payload, is_stream=is_stream, **options)

    def _good(self, verb: str) -> Any:
        """A request that a service would serve."""
        if verb == "CreateTask":
            return self._good_create()
        task_type = self._draw.choice(list(self._metas))
        message = VERBS[verb](resource_meta=self._metas[task_type])
        message.task_category.name = task_type
        message.task_category.version = TYPES.get(task_type, 0)
        if verb in ("GetTask", "DeleteTask"):
            message.connection.CopyFrom(Connection(secrets={"api_key": self._secret}))
        return message

    def _good_create(self) -> pb.CreateTaskRequest:
        run = f"fuzz-{self._draw.randrange(RUNS)}"
        task_type = self._draw.choice(self._types)
        if self._draw.random() < 0.01 and self._batch_jobs < BATCH_JOBS:
            self._batch_jobs += 1
            request = create_request("batch_job", run=run, custom={"command": ["/bin/true"]})
        else:
            inputs = {"n": 3, "name": "x", "ratio": 1.5}
            custom = {"endpoint": "http://127.0.0.1:1/", "secrets": {"api_key": "held-key"}}
            version = TYPES.get(task_type, 0)
            request = create_request(task_type, version, run=run, inputs=inputs, custom=custom)
        request.connection.CopyFrom(Connection(secrets={"api_key": self._secret}))
        return request

    def _method(self, verb: str) -> str:
        return f"/{self._draw.choice(JOBS)}/{verb}"

    def _verbs(self) -> list[str]:
        return [f"/{JOBS[0]}/{verb}" for verb in VERBS]
