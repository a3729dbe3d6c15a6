"""A connector that shows its secrets wherever a connector can; a module for `serve --module`.

`custom.leak` names the place, `custom.form` the spelling, `custom.source` the secret. `leaks.PLACES` lists
the places of each verb.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flyte_connectors import (
    AsyncConnector,
    ConnectorRegistry,
    ConnectorSecretsMixin,
    Phase,
    Resource,
    ResourceMeta,
    SyncConnector,
)
from flyte_connectors.errors import (
    ConflictError,
    InvalidRequestError,
    PermissionDeniedError,
)
from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse
from flyteidl2.core.execution_pb2 import TaskLog
from flyteidl2.logs.dataplane.payload_pb2 import LogLine

from tests.attack.canaries import FORMS

OWN, OWN_VARIABLE = "own", "LEAKY_OWN"
log = logging.getLogger("leaky")


class QuotingError(Exception):
    """A vendor's error, with the request in its attributes and not only in its text."""

    def __init__(self, text: str) -> None:
        super().__init__(401, {"authorization": text}, [text])
        self.add_note(f"sent {text}") if hasattr(self, "add_note") else None


@dataclass
class LeakMeta(ResourceMeta):
    """What is to be shown, and where."""

    leak: str
    form: str
    source: str


def fail(leak: str, text: str) -> None:
    """Errors and log records, which every verb can make."""
    if leak in _ERRORS:
        raise _ERRORS[leak](text)
    if leak == "cause of an error":
        raise KeyError("vendor") from QuotingError(text)
    if leak == "log record":
        log.warning("sent %s", text)
        log.debug("sent %r to %s", {"authorization": [text]}, text)
        log.info("sent", extra={"header": text})
        log.error("no request", exc_info=QuotingError(text))
        log.info("stack of %s", text, stack_info=True)
    if leak == "warning":
        warnings.warn(f"deprecated {text}", stacklevel=1)


_ERRORS: Mapping[str, Callable[[str], Exception]] = {
    "request error": lambda text: InvalidRequestError(f"the vendor refused {text}", field="custom"),
    "field of an error": lambda text: InvalidRequestError("refused", field=f"custom.{text}"),
    "conflict": lambda text: ConflictError(f"{text} is there already"),
    "permission": lambda text: PermissionDeniedError(f"{text} may not"),
    "unforeseen error": lambda text: ValueError(f"bad header {text}"),
    "error with attributes": QuotingError,
}


def resource(leak: str, text: str) -> Resource:
    """What a job's state can show."""
    shown: dict[str, Any] = {"phase": Phase.SUCCEEDED}
    if leak == "message":
        shown |= {"message": f"used {text}", "phase": Phase.FAILED}
    if leak == "link":
        shown["log_links"] = [TaskLog(name="console", uri=f"https://vendor.example/?key={text}")]
    if leak == "name of a link":
        shown["log_links"] = [TaskLog(name=f"console {text}", uri="https://vendor.example/")]
    if leak == "custom info":
        shown["custom_info"] = {"request": [{"header": f"Basic {text}"}]}
    if leak == "key of custom info":
        shown["custom_info"] = {"request": {f"x-{text}": 1}}
    return Resource(**shown)


class Leaky(ConnectorSecretsMixin, AsyncConnector[LeakMeta]):
    """Shows its secrets."""

    name = "Leaky"
    task_type_name = "leaky"
    metadata_type = LeakMeta

    def __init__(self) -> None:
        super().__init__(secrets={OWN: OWN_VARIABLE})

    async def create(self, task_template: Any, **secrets: Any) -> LeakMeta:
        custom = task_template.custom
        meta = LeakMeta(custom["leak"], custom["form"], custom["source"])
        if custom["verb"] == "create":
            fail(meta.leak, self.text(meta, secrets))
        if meta.leak == "meta":
            meta.form = self.text(meta, secrets)
        return meta

    async def get(self, resource_meta: LeakMeta, **secrets: Any) -> Resource:
        text = self.text(resource_meta, secrets)
        fail(resource_meta.leak, text)
        return resource(resource_meta.leak, text)

    async def delete(self, resource_meta: LeakMeta, **secrets: Any) -> None:
        fail(resource_meta.leak, self.text(resource_meta, secrets))

    async def get_logs(self, resource_meta: LeakMeta, **secrets: Any) -> AsyncIterator[GetTaskLogsResponse | LogLine]:
        leak, text = resource_meta.leak, self.text(resource_meta, secrets)
        if leak == "line":
            yield LogLine(message=f"curl -H '{text}'")
        if leak == "page of lines":
            yield GetTaskLogsResponse(body={"lines": [LogLine(message="a"), LogLine(message=text)]})
        if leak == "results of a page":
            yield GetTaskLogsResponse(body={"results": [f"sent {text}"]})
        if leak == "token":
            yield GetTaskLogsResponse(header={"token": f"next={text}"})
        yield LogLine(message="before")
        fail(leak, text)

    async def get_metrics(self, resource_meta: LeakMeta, **secrets: Any) -> GetTaskMetricsResponse:
        leak, text = resource_meta.leak, self.text(resource_meta, secrets)
        fail(leak, text)
        response = GetTaskMetricsResponse()
        row = response.results.add(metric=text if leak == "name of a metric" else "m")
        labels = {"key": {text: "1"}, "value": {"auth": text}}.get(leak.partition(" ")[0], {})
        row.data.update({"resultType": "matrix", "result": [{"metric": labels, "values": []}]})
        return response

    def text(self, meta: LeakMeta, secrets: dict[str, Any]) -> str:
        """The secret, spelled as asked for."""
        secret = self.secret(OWN) if meta.source == OWN else secrets["api_key"]
        if meta.source == "part of JSON":
            secret = json.loads(secret)["private_key"]
        return FORMS[meta.form](str(secret)) if meta.form in FORMS else ""


class LeakySync(SyncConnector):
    """Shows its secrets at once."""

    name = "Leaky Sync"
    task_type_name = "leaky_sync"

    async def do(self, task_template: Any, **secrets: Any) -> Resource:
        custom = task_template.custom
        text = FORMS[custom["form"]](str(secrets["api_key"]))
        fail(custom["leak"], text)
        return resource(custom["leak"], text)


ConnectorRegistry.register(Leaky())
ConnectorRegistry.register(LeakySync())
