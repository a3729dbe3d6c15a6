"""Requests that lead elsewhere: the grammar of `escapes`, in every place that ends in a URL."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flyteidl2.connector import connector_pb2 as pb

from tests.fakes.requests import create_request

from . import escapes
from .envelopes import with_secret
from .spies import BASE

TRAINING, ACME = "external_model_training", "acme"
ARGUMENTS = {TRAINING: "training_credential", ACME: "api_token"}
SECRET_NAME = "held-key"
"""The secret that the service holds, and that every request asks to be sent along."""


@dataclass(frozen=True)
class Attempt:
    """One attempt to get out.

    Attributes:
        case: The row in the table.
        text: What leads elsewhere.
        message: The request.
        job_id, redirect, status: What the vendor answers, where it is the vendor who attacks.
    """

    case: str
    text: str
    message: Any
    job_id: str = ""
    redirect: str = ""
    status: int = 302

    @property
    def verb(self) -> str:
        """The call that it is."""
        return type(self.message).__name__.removesuffix("Request")

    @property
    def is_baked(self) -> bool:
        """Whether it needs a plugin baked from the template."""
        return self.case.endswith("baked plugin")

    @property
    def is_id(self) -> bool:
        """Whether it is to be one segment of a path."""
        return self.case.startswith("id ")


def everything() -> Iterator[Attempt]:
    """All ways out."""
    yield from endpoints(secret=True)
    yield from pasted_paths()
    yield from forged_metas()
    yield from hostile_vendor()
    yield from odd_headers()


def honest(*, is_baked: bool) -> Iterator[Attempt]:
    """Requests that the operator allows: where they arrive, the others could."""
    auth = {"auth": {"secret": SECRET_NAME}}
    yield Attempt("honest", "create", create({"endpoint": f"{BASE}/jobs", **auth}))
    yield Attempt("honest", "create on Ray", create({"ray": {"address": BASE}, **auth}))
    http = {"job_id": "job-1", "endpoint": f"{BASE}/jobs", "config": auth}
    ray = {"job_id": "job-1", "endpoint": "", "config": {"ray": {"address": BASE}, **auth}}
    for read in (get, delete, logs):
        yield Attempt("honest", "a training", read(TRAINING, http))
        yield Attempt("honest", "a Ray job", read(TRAINING, ray))
        if is_baked:
            yield Attempt("honest", "a baked plugin", read(ACME, {"job_id": "job-1"}))


def endpoints(*, secret: bool) -> Iterator[Attempt]:
    """Endpoints of a service and addresses of Ray, in requests and in metas."""
    for url in escapes.urls():
        auth = {"auth": {"secret": SECRET_NAME}} if secret else {}
        yield Attempt("endpoint", url, create({"endpoint": url, **auth}))
        yield Attempt("Ray address", url, create({"ray": {"address": url}, **auth}))
    for url in itertools.islice(escapes.urls(), 0, None, 3):
        meta = {"job_id": "job-1", "endpoint": url, "config": auth}
        yield Attempt("endpoint in a meta", url, get(TRAINING, meta, secret=secret))
        config = {"ray": {"address": url}, **auth}
        meta = {"job_id": "job-1", "endpoint": "", "config": config}
        yield Attempt("Ray address in a meta", url, delete(TRAINING, meta, secret=secret))


def pasted_paths() -> Iterator[Attempt]:
    """Paths that are pasted to a listed endpoint."""
    reads = {"job_path": get, "logs_path": logs, "metrics_path": metrics}
    for path, (name, read) in itertools.product(escapes.paths(), reads.items()):
        config = {"auth": {"secret": SECRET_NAME}, "api": {name: path}}
        meta = {"job_id": "job-1", "endpoint": f"{BASE}/jobs", "config": config}
        yield Attempt(name, path, read(TRAINING, meta))
        if name == "job_path":
            yield Attempt("job_path of a delete", path, delete(TRAINING, meta))
            custom = {**config, "endpoint": f"{BASE}/jobs"}
            yield Attempt("job_path of a create", path, create(custom))


def forged_metas() -> Iterator[Attempt]:
    """Ids that are more than a name."""
    auth = {"auth": {"secret": SECRET_NAME}}
    for job_id in escapes.ids():
        http = {"job_id": job_id, "endpoint": f"{BASE}/jobs", "config": auth}
        ray = {"job_id": job_id, "endpoint": "", "config": {"ray": {"address": BASE}, **auth}}
        for read in (get, delete, logs, metrics):
            yield Attempt("id of a training", job_id, read(TRAINING, http))
            yield Attempt("id of a Ray job", job_id, read(TRAINING, ray))
            yield Attempt("id of a baked plugin", job_id, read(ACME, {"job_id": job_id}))


def hostile_vendor() -> Iterator[Attempt]:
    """A listed vendor that wants us elsewhere."""
    auth = {"auth": {"secret": SECRET_NAME}}
    meta = {"job_id": "job-1", "endpoint": f"{BASE}/jobs", "config": auth}
    for url, status in itertools.product(escapes.redirects(), (301, 302, 303, 307, 308)):
        yield Attempt("redirect", url, get(TRAINING, meta), redirect=url, status=status)
        yield Attempt("redirect", url, delete(TRAINING, meta), redirect=url, status=status)
        acme = get(ACME, {"job_id": "job-1"})
        yield Attempt("redirect of a baked plugin", url, acme, redirect=url, status=status)
    for job_id in escapes.ids():
        custom = {"endpoint": f"{BASE}/jobs", "parameters": {}, **auth}
        yield Attempt("id from the vendor", job_id, create(custom), job_id=job_id)


def odd_headers() -> Iterator[Attempt]:
    """Names of headers that a request chooses for its credential."""
    names = ("Host", "host", ":authority", "Transfer-Encoding", "Content-Length", "X\r\nHost: evil")
    for name in (*names, "", " ", "é", "a b", "Connection", "Upgrade", "Proxy-Authorization"):
        auth = {"secret": SECRET_NAME, "scheme": "header", "name": name}
        yield Attempt("header", name, create({"endpoint": f"{BASE}/jobs", "auth": auth}))
        basic = {**auth, "scheme": "basic"}
        yield Attempt("header", name, create({"endpoint": f"{BASE}/jobs", "auth": basic}))


def create(custom: dict[str, Any]) -> pb.CreateTaskRequest:
    """A training."""
    secrets = {"secrets": {ARGUMENTS[TRAINING]: SECRET_NAME}} if "auth" in custom else {}
    inputs = {"epochs": 1, "dataset_uri": "s3://bucket/data.csv"}
    run = f"wall-{next(_numbers)}"
    return create_request(TRAINING, run=run, inputs=inputs, custom={**custom, **secrets})


_numbers = itertools.count()


def _later(kind: type) -> Any:
    def message(task_type: str, meta: dict[str, Any], *, secret: bool = True) -> Any:
        data = json.dumps(meta).encode()
        if secret:
            data = with_secret(task_type, data, ARGUMENTS[task_type], SECRET_NAME)
        return kind(task_category=pb.TaskCategory(name=task_type), resource_meta=data)

    return message


get, delete = _later(pb.GetTaskRequest), _later(pb.DeleteTaskRequest)
logs, metrics = _later(pb.GetTaskLogsRequest), _later(pb.GetTaskMetricsRequest)
