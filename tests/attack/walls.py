"""Requests that try to lead a service's connectors, and the credential that it holds, elsewhere.

Everything runs in a network of its own (`namespace`), in which every address listens (`spies`): a wall has
fallen when anybody but the vendor is contacted, or the vendor outside of what the operator listed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from flyteidl2.connector import connector_pb2 as pb

from tests.connectors.requests import create_request
from tests.connectors.serve_process import start
from tests.service.client import Client

from . import escapes
from .canaries import FORMS, canary
from .envelopes import with_secret
from .namespace import enter
from .spies import BASE, BODY, VENDOR, Spies, Visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .report import Tally
    from .setting import Setting

TRAINING, ACME = "external_model_training", "acme"
ARGUMENTS = {TRAINING: "training_credential", ACME: "api_token"}
SECRET_NAME, SECRET = "held-key", canary("wall")
ENVIRONMENT = {"FLYTE_SECRET_HELD_KEY": SECRET, "FLYTE_CONNECTORS_TRANSIENT_ERRORS": "raise"}
FEW = 60
DEADLINE_SECONDS = 1.0
AT_A_TIME = 12
SETTLE_SECONDS = 0.1


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
    def is_id(self) -> bool:
        """Whether it is to be one segment of a path."""
        return self.case.startswith("id ")


async def play(setting: Setting, tally: Tally) -> None:
    """Try everything against services with a list, with an empty one, and without."""
    folder = setting.folder("walls")
    baked = bake(folder, tally)
    try:
        enter(escapes.ADDRESSES, escapes.NAMES | own_name(), folder)
    except OSError as error:
        tally.skipped("all", f"needs root, or user namespaces: {error}")
        return
    spies = Spies()
    async with spies.listening():
        for policy in policies():
            attempts = list(policy.attempts)
            if not setting.full:
                attempts = setting.draw("walls").sample(attempts, min(len(attempts), FEW))
            setting.progress(f"walls: {policy.name}, {len(attempts):,} attempts")
            log = folder / f"log-{policy.name.replace(' ', '-')}"
            env = {**baked, **policy.env, **ENVIRONMENT}
            service = start(log=log, env=env)
            try:
                async with Client(service.address, deadline=DEADLINE_SECONDS) as client:
                    await Siege(policy, client, spies, tally).go(attempts)
            finally:
                service.process.kill()
                service.process.wait()
    assert spies.vendor_visits, "the vendor was never asked: nothing came so far"
    tally.notes["visits to the vendor"] = spies.vendor_visits


def own_name() -> dict[str, str]:
    """This machine's own name, which leads to one of its addresses."""
    return {os.uname().nodename: escapes.OWN_ADDRESS}


@dataclass(frozen=True)
class Policy:
    """What an operator has set, and what is tried there.

    Attributes:
        open_to: Addresses that may be contacted besides the listed vendor.
        is_closed: Whether even the vendor may not.
    """

    name: str
    env: dict[str, str]
    attempts: Iterable[Attempt]
    open_to: frozenset[str] = frozenset()
    is_closed: bool = False

    def forbids(self, visit: Visit, *, quoted: bool) -> bool:
        """Whether a visit is one that this operator does not want."""
        if self.is_closed:
            return True
        return not visit.is_below_base(quoted=quoted) and visit.address not in self.open_to


def policies() -> Iterator[Policy]:
    """The settings that there are."""
    variable = "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS"
    public = frozenset({escapes.EVIL_ADDRESS, VENDOR})
    yield Policy("listed", {variable: BASE}, everything())
    yield Policy("empty list", {variable: ""}, endpoints(secret=True), is_closed=True)
    yield Policy("no list", {}, endpoints(secret=True), is_closed=True)
    yield Policy("no list, no credential", {}, endpoints(secret=False), public)


def everything() -> Iterator[Attempt]:
    """All ways out."""
    yield from endpoints(secret=True)
    yield from pasted_paths()
    yield from forged_metas()
    yield from hostile_vendor()
    yield from odd_headers()


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


@dataclass(frozen=True)
class Siege:
    """Attempts against one service."""

    policy: Policy
    client: Client
    spies: Spies
    tally: Tally

    async def go(self, attempts: Iterable[Attempt]) -> None:
        """Make all attempts, some at a time; of those that got out, each again by itself."""
        for some in together(attempts):
            is_open = await self.fallen(some)
            for attempt in some:
                case = f"{self.policy.name}: {attempt.case}"
                self.tally.tried(case)
                what = await self.fallen([attempt]) if is_open else []
                if what:
                    self.tally.fell(case, f"{attempt.text!r}: {'; '.join(sorted(set(what)))}")

    async def fallen(self, attempts: list[Attempt]) -> list[str]:
        """What some attempts did together that they must not."""
        self.spies.obey(attempts[0].job_id, attempts[0].redirect, attempts[0].status)
        answers = await asyncio.gather(*(ask(self.client, attempt) for attempt in attempts))
        if self.spies.visits:
            await asyncio.sleep(SETTLE_SECONDS)
        quoted = attempts[0].is_id
        visits = self.spies.visits
        fallen = [told(visit) for visit in visits if self.policy.forbids(visit, quoted=quoted)]
        fallen += [f"answered {text[:100]}" for code, text in answers if code == "INTERNAL"]
        if not self.policy.open_to:
            fallen += [f"shows {text[:100]}" for _, text in answers if BODY in text]
        return fallen


def together(attempts: Iterable[Attempt]) -> Iterator[list[Attempt]]:
    """Attempts that meet the same vendor, a few at a time."""
    groups: dict[tuple[Any, ...], list[Attempt]] = {}
    for attempt in attempts:
        key = attempt.job_id, attempt.redirect, attempt.status, attempt.is_id
        groups.setdefault(key, []).append(attempt)
    for group in groups.values():
        for first in range(0, len(group), AT_A_TIME):
            yield group[first : first + AT_A_TIME]


async def ask(client: Client, attempt: Attempt) -> tuple[str, str]:
    """The code and the text of an answer."""
    call = getattr(client.jobs, attempt.verb)(attempt.message, timeout=client.deadline)
    try:
        if attempt.verb == "GetTaskLogs":
            return "OK", " ".join([str(message) async for message in call])
        return "OK", str(await call)
    except grpc.aio.AioRpcError as error:
        return error.code().name, error.details() or ""


def told(visit: Visit) -> str:
    """What a visit was."""
    shown = any(form(SECRET) in visit.head for form in FORMS.values())
    line = visit.head.partition("\r\n")[0][:80]
    return f"{visit.address}:{visit.port} {line!r}" + (" WITH THE CREDENTIAL" if shown else "")


def bake(folder: Path, tally: Tally) -> dict[str, str]:
    """The environment of a service with a plugin baked from the template."""
    command = [sys.executable, "-m", "flyte_connectors", "new", "acme", "--no-input"]
    done = subprocess.run(
        [*command, "--output-dir", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        tally.skipped("baked plugin", (done.stderr or done.stdout).strip()[-200:])
        return {}
    source = folder / "acme" / "src"
    info = source / "acme-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 0.1\n")
    point = "acme = acme.connector:AcmeConnector"
    (info / "entry_points.txt").write_text(f"[flyte.connectors]\n{point}\n")
    paths = filter(None, (str(source), os.environ.get("PYTHONPATH")))
    return {"FLYTE_ACME_ENDPOINT": BASE, "PYTHONPATH": os.pathsep.join(paths)}
