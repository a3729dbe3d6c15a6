"""Requests that try to lead a service's connectors, and the credential that it holds, elsewhere.

Everything runs in a network of its own (`namespace`), in which every address listens (`spies`): a wall has
fallen when anybody but the vendor is contacted, or the vendor outside of what the operator listed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from tests.fakes.serve_process import start
from tests.service.client import Client

from . import escapes
from .attempts import Attempt, endpoints, everything, honest
from .canaries import FORMS, canary
from .namespace import enter
from .spies import BASE, BODY, VENDOR, Spies, Visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .report import Tally
    from .setting import Setting

SECRET = canary("wall")
ENVIRONMENT = {"FLYTE_SECRET_HELD_KEY": SECRET, "FLYTE_CONNECTORS_TRANSIENT_ERRORS": "raise"}
VARIABLE = "FLYTE_CONNECTORS_ALLOWED_ENDPOINTS"
FEW = 60
DEADLINE_SECONDS = 1.0
AT_A_TIME = 12
SETTLE_SECONDS = 0.1


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
            attempts = [attempt for attempt in policy.attempts if baked or not attempt.is_baked]
            if not setting.full:
                attempts = setting.draw("walls").sample(attempts, min(len(attempts), FEW))
            setting.progress(f"walls: {policy.name}, {len(attempts):,} attempts")
            log = folder / f"log-{policy.name.replace(' ', '-')}"
            env = {**baked, **policy.env, **ENVIRONMENT}
            service = start(log=log, env=env)
            try:
                async with Client(service.address, deadline=DEADLINE_SECONDS) as client:
                    siege = Siege(policy, client, spies, tally)
                    if policy.env.get(VARIABLE):
                        await siege.show_the_way(honest(is_baked=bool(baked)))
                    await siege.go(attempts)
            finally:
                service.process.kill()
                service.process.wait()
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
    public = frozenset({escapes.EVIL_ADDRESS, VENDOR})
    yield Policy("listed", {VARIABLE: BASE}, everything())
    yield Policy("empty list", {VARIABLE: ""}, endpoints(secret=True), is_closed=True)
    yield Policy("no list", {}, endpoints(secret=True), is_closed=True)
    yield Policy("no list, no credential", {}, endpoints(secret=False), public)


@dataclass(frozen=True)
class Siege:
    """Attempts against one service."""

    policy: Policy
    client: Client
    spies: Spies
    tally: Tally

    async def show_the_way(self, attempts: Iterable[Attempt]) -> None:
        """Make attempts that must arrive, with the credential."""
        for attempt in attempts:
            self.tally.tried("an honest request arrives")
            self.spies.obey("", "", 0)
            answer = await ask(self.client, attempt)
            seen = [told(visit) for visit in self.spies.visits if visit.is_below_base()]
            if not any("WITH THE CREDENTIAL" in visit for visit in seen):
                self.tally.fell("an honest request arrives", f"{attempt.text}: {answer} {seen}")

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
    done = subprocess.run([*command, "--output-dir", str(folder)], capture_output=True, text=True, check=False)
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
