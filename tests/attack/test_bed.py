"""The test bed sees what it is there to see."""

from __future__ import annotations

import base64
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flyteidl2.connector import connector_pb2 as pb

from . import escapes
from .canaries import FORMS, Watch, canary
from .fuzz_requests import TYPES, Gun
from .fuzz_values import damage, fill
from .processes import descendants, end
from .report import EXAMPLES, Tally, rows, summary
from .spies import VENDOR, VENDOR_NAME, VENDOR_PORT, Visit
from .spool_damages import DAMAGES
from .survivors import SURVIVORS
from .trees import ENDINGS, FEW_MEETINGS

SECRET = canary("here")


@pytest.mark.parametrize("form", FORMS)
def test_a_canary_is_seen_in_every_form(form: str) -> None:
    """In the middle of a text, and named by where it was planted."""
    seen = Watch({"here": SECRET}).seen(f"before {FORMS[form](SECRET)} after")
    assert seen
    assert all(found.startswith("here (") for found in seen)


def test_what_is_no_canary_is_not_seen() -> None:
    """Another secret, a mask, or half of it."""
    watch = Watch({"here": SECRET})
    others = (canary("there"), "***", SECRET[:10], base64.b64encode(b"other").decode())
    assert not any(watch.seen(text) for text in others)


def test_a_process_is_found_wherever_it_went() -> None:
    """A daemon of another name and session, whose parents are gone."""
    program = """
import os, sys
sys.path.insert(0, sys.argv[1])
from tests.attack.processes import adopt_orphans, descendants, end
import subprocess, time
adopt_orphans()
daemon = "import os\\nif os.fork(): os._exit(0)\\nos.setsid()\\n"
daemon += "if os.fork(): os._exit(0)\\nos.execve('/bin/sleep', ['[kworker]', '30'], {})"
subprocess.run([sys.executable, "-c", daemon], check=True)
time.sleep(0.3)
found = descendants()
print([process.command for process in found])
end(found)
time.sleep(0.2)
print(descendants())
"""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", program, root]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines() == ["['[kworker] 30']", "[]"]


def test_the_dead_do_not_count() -> None:
    """Neither a zombie nor what was ended."""
    child = subprocess.Popen(["/bin/sleep", "30"])
    try:
        found = [process for process in descendants() if process.pid == child.pid]
        assert [process.command for process in found] == ["/bin/sleep 30"]
        end(found)
        deadline = time.monotonic() + 5
        while any(process.pid == child.pid for process in descendants(without={child.pid})):
            assert time.monotonic() < deadline
        assert child.wait(5) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()


def visit(path: str, host: str = f"{VENDOR_NAME}:{VENDOR_PORT}", address: str = VENDOR) -> Visit:
    """A request as a listener sees it."""
    return Visit(address, VENDOR_PORT, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")


@pytest.mark.parametrize("path", ["/v1", "/v1/jobs", "/v1/jobs?next=/../..", "/v1/a/../b"])
def test_what_the_operator_listed_may_be_visited(path: str) -> None:
    """The base, and paths below it."""
    assert visit(path).is_below_base()


@pytest.mark.parametrize("path", ["/", "/v10", "/v1/../admin", "/v1/%2e%2e/x", "/v1/%252e%252e/x", "/v1/..%2f..%2fx"])
def test_a_path_that_leads_above_the_base_has_got_out(path: str) -> None:
    """However it is spelled."""
    assert not visit(path).is_below_base()


def test_another_host_or_address_has_got_out() -> None:
    """Also where it is the same machine under another name."""
    assert not visit("/v1", host="evil.example.invalid").is_below_base()
    assert not visit("/v1", address="169.254.169.254").is_below_base()
    assert visit("/v1/jobs/..%2Fx").is_below_base(quoted=True)


def test_spellings_of_an_address_are_those_of_one_address() -> None:
    """As the C library reads those that it reads at all."""
    for text in escapes.spellings("127.0.0.1"):
        try:
            found = socket.getaddrinfo(text.strip("[]"), 80, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            continue
        addresses = {entry[4][0].rpartition(":")[2] for entry in found}
        assert addresses <= {"127.0.0.1", "1"} or text.startswith("["), text


def test_there_are_many_ways_out_and_each_once() -> None:
    """Of URLs, paths, ids and redirects."""
    for ways, least in ((escapes.urls(), 500), (escapes.paths(), 350), (escapes.ids(), 150)):
        found = list(ways)
        assert len(set(found)) >= least
        assert not any("\ud800" <= letter <= "\udfff" for text in found for letter in text)


def test_survivors_are_programs() -> None:
    """Each compiles, and the short form's are among them."""
    for name, program in SURVIVORS.items():
        compile(program, name, "exec")
    assert {name for name, _ in FEW_MEETINGS} <= set(SURVIVORS)
    assert {ending for _, ending in FEW_MEETINGS} <= set(ENDINGS)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_changes_a_file(name: str, tmp_path: Path) -> None:
    """Its content, its kind or its rights."""
    file = tmp_path / "spec.json"
    file.write_text('{"command": ["true"], "state": "running"}')
    before = os.lstat(file)
    DAMAGES[name](file)
    after = os.lstat(file) if os.path.lexists(file) else None
    assert after is None or (after.st_mode, after.st_size) != (before.st_mode, before.st_size)


def test_the_same_seed_makes_the_same_requests() -> None:
    """Otherwise a failed attack could not be repeated."""
    assert shots_of(7) == shots_of(7)
    assert shots_of(7) != shots_of(8)


def gun(seed: int = 0) -> Gun:
    """One that knows the metas of some jobs."""
    metas = {task_type: b"meta-of-" + task_type.encode() for task_type in TYPES}
    return Gun(random.Random(seed), metas, SECRET)


def shots_of(seed: int) -> list[bytes]:
    """What a gun of this seed sends."""
    one = gun(seed)
    return [one.shot().payload for _ in range(300)]


def test_all_kinds_of_requests_are_made() -> None:
    """Of every verb, streamed, compressed, cancelled and hurried."""
    one = gun(3)
    shots = [one.shot() for _ in range(3000)]
    methods = {shot.method.rpartition("/")[2] for shot in shots}
    assert {"CreateTask", "GetTask", "DeleteTask", "GetTaskLogs", "GetTaskMetrics"} <= methods
    assert {"GetConnector", "ListAgents", "Check", "ServerReflectionInfo"} <= methods
    assert any(shot.cancel_after is not None for shot in shots)
    assert any(shot.timeout < 1 for shot in shots)
    assert any(shot.metadata for shot in shots)
    assert len({shot.kind for shot in shots}) == 7


def test_filled_messages_are_messages_and_damaged_ones_differ() -> None:
    """Odd, but whole; or not whole any more."""
    draw = random.Random(1)
    messages = [fill(pb.CreateTaskRequest(), draw) for _ in range(50)]
    data = [message.SerializeToString() for message in messages]
    assert [pb.CreateTaskRequest.FromString(each) for each in data] == messages
    assert sum(damage(each, draw) != each for each in data) > 40


def test_a_table_says_what_fell() -> None:
    """Counts, the first few examples, each kind once, and what was left out."""
    tally = Tally("part")
    tally.tried("case", 10)
    for number in range(20):
        tally.fell("case", f"what {number % 7}")
    tally.skipped("other", "no root")
    other = Tally("part")
    other.add({"rows": [vars(row) for row in tally.rows.values()], "notes": {"n": 1}})
    assert other.fallen == 20
    assert len(other.rows["case"].examples) == EXAMPLES
    text = rows(other) + "\n" + summary([other])
    assert "part/case: what 0" in text
    assert "skipped: no root" in text
    assert text.endswith("10 attacks, 20 fell")
