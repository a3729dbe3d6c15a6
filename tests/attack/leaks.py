"""Secrets shown by a careless connector in every place and spelling: none may leave the service."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl2.core.security_pb2 import Connection

from tests.fakes.requests import category, create_request
from tests.fakes.serve_process import ServeProcess, start
from tests.service.client import Client, Job
from tests.service.http import fetch

from .canaries import FORMS, Watch, canary
from .leaky_connector import OWN, OWN_VARIABLE
from .spools import ended

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from .report import Tally
    from .setting import Setting

MODULE = "tests.attack.leaky_connector"
ERRORS = (
    "request error",
    "field of an error",
    "conflict",
    "permission",
    "unforeseen error",
    "error with attributes",
    "cause of an error",
    "log record",
    "warning",
)
STATES = ("message", "link", "name of a link", "custom info", "key of custom info")
PLACES = {
    "create": (*ERRORS, "meta"),
    "get": (*ERRORS, *STATES),
    "delete": ERRORS,
    "get_logs": (*ERRORS, "line", "page of lines", "results of a page", "token"),
    "get_metrics": (*ERRORS, "key of metrics", "value of metrics", "name of a metric"),
    "do": (*ERRORS, *STATES),
}
MASK = b"***"
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMIIc4n/ry+w0rd\nAbCdEf==\n-----END PRIVATE KEY-----\n"
SENT, HELD, FILED, PART = "sent", "held", "filed", "part of JSON"
SECRETS = {name: canary(name) for name in (SENT, HELD, FILED, OWN)}
SECRETS[PART] = PRIVATE_KEY
SOURCES = {SENT: "vendor-key", HELD: "held-key", FILED: "filed-key", OWN: "none", PART: "json-key"}
LOOK_AROUND = """
exec 2>/dev/null
for process in /proc/[0-9]*; do
    tr '\\0' '\\n' < $process/{file} | grep -a '[c]4n/ry' | sed "s|^|$process |"
done
echo done
"""
FEW = ("as it is", "base64", "basic, user of 3")


async def play(setting: Setting, tally: Tally) -> None:
    """Let the connector show every secret in every place and form."""
    folder = setting.folder("leaks")
    forms = list(FORMS) if setting.full else FEW
    sources = list(SOURCES) if setting.full else (SENT, HELD, PART)
    service = serve(folder)
    masked = 0
    try:
        async with Client(service.address, deadline=3.0) as client:
            for leak in leaks(forms, sources):
                tally.tried(leak.verb)
                said = await leak.said(client)
                masked += any(MASK in text for text in said)
                if seen := sorted({found for text in said for found in WATCH.seen(text)}):
                    shown = f"shows {', '.join(seen)}"
                    tally.fell(leak.verb, f"{leak.source} secret, {leak.place}, {leak.form}: {shown}")
            await look_around(client, tally)
        page = (await fetch(service.metrics, "/metrics")).body
        after(tally, "metrics page", page)
        after(tally, "log at DEBUG", service.log.read_text(errors="replace"))
        tally.notes["replies with a mask"] = masked
        assert masked, "nothing was masked: the connector has shown nothing"
    finally:
        service.process.kill()
        service.process.wait()


def serve(folder: Path) -> ServeProcess:
    """A service with secrets of its own, in its environment and in files, that logs everything."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / SOURCES[FILED]).write_text(SECRETS[FILED] + "\n")
    env = {
        "FLYTE_CONNECTORS_SECRETS_DIR": str(folder / "secrets"),
        "FLYTE_SECRET_HELD_KEY": SECRETS[HELD],
        "FLYTE_SECRET_JSON_KEY": json.dumps({"type": "account", "private_key": PRIVATE_KEY}),
        OWN_VARIABLE: SECRETS[OWN],
        "FLYTE_BATCH_JOB_SPOOL": str(folder / "spool"),
        "FLYTE_CONNECTORS_TRANSIENT_ERRORS": "raise",
    }
    arguments = ("--module", MODULE, "--log-level", "debug")
    return start(*arguments, log=folder / "log", env=env)


@dataclass(frozen=True)
class Leak:
    """One secret, to be shown by one verb in one place and spelling."""

    verb: str
    place: str
    source: str
    form: str

    @property
    def connection(self) -> dict[str, Connection]:
        """What comes beside a request; nothing where the service has the secret."""
        sent = self.source == SENT
        return {"connection": Connection(secrets={"api_key": SECRETS[SENT]})} if sent else {}

    async def said(self, client: Client) -> list[bytes]:
        """Whatever the service answers."""
        said: list[bytes] = []
        try:
            said.extend([reply.SerializeToString() async for reply in self.replies(client)])
        except grpc.aio.AioRpcError as error:
            texts = (error.details(), error.trailing_metadata(), error)
            said += [str(text).encode() for text in texts]
        return said

    async def replies(self, client: Client) -> AsyncIterator[Any]:
        """Start the job, and call the verb."""
        custom: dict[str, Any] = {"verb": self.verb, "leak": self.place, "form": self.form}
        custom["source"] = self.source
        if self.source != OWN:
            custom["secrets"] = {"api_key": SOURCES[self.source]}
        task_type = "leaky_sync" if self.verb == "do" else "leaky"
        run = f"{self.verb}-{self.place}-{self.source}-{self.form}"
        request = create_request(task_type, run=run, custom=custom)
        for connection in self.connection.values():
            request.connection.CopyFrom(connection)
        reply = await client.jobs.CreateTask(request, timeout=client.deadline)
        yield reply
        job = Job(client, reply.resource_meta, category(request))
        if self.verb in ("get", "do"):
            yield await job.get(**self.connection)
        elif self.verb == "delete":
            await job.delete(**self.connection)
        elif self.verb == "get_metrics":
            yield await job.metrics()
        elif self.verb == "get_logs":
            async for message in job.log_messages():
                yield message


def leaks(forms: Iterable[str], sources: Iterable[str]) -> Iterator[Leak]:
    """All that can be shown."""
    for verb, places in PLACES.items():
        without = {"get_logs": {SENT}, "get_metrics": {SENT}, "do": {OWN}}.get(verb, set())
        for place, source, form in itertools.product(places, sources, forms):
            if source not in without:  # requests without a connection; connectors without secrets
                yield Leak(verb, place, source, form)


async def look_around(client: Client, tally: Tally) -> None:
    """A batch job reads whatever the system shows of its service's process."""
    for file in ("environ", "cmdline"):
        case = "a job looks around"
        tally.tried(case)
        custom = {"script": LOOK_AROUND.format(file=file), "timeout_seconds": 30}
        job = await client.send(create_request("batch_job", run=f"looks-{file}", custom=custom))
        await ended(job)
        found = [line for line in (await job.page())[0] if not line.endswith("done")]
        if found:
            tally.fell(case, f"reads secrets of the service: {found[0][:100]}")


def after(tally: Tally, case: str, text: str) -> None:
    """Search what the service has written meanwhile; each line that shows a secret is one fall."""
    tally.tried(case)
    for line in text.splitlines():
        if seen := WATCH.seen(line):
            tally.fell(case, f"{', '.join(seen)} in {line[:200]!r}")


WATCH = Watch(SECRETS)
