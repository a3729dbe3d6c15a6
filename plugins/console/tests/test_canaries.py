"""No secret is on any page, and none of what a job printed is more than text."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from flyte_connectors.client.remote import RemoteService
from flyteidl2.connector import connector_pb2 as pb
from processes import LONGEST_WAIT, Served, events, eventually, serving

STORED = "canary-of-the-store-4f1d"
SENT = "canary-of-the-call-9c2e"
TOKEN = "canary-of-the-token-77aa"
PASSWORD = "canary-of-a-url-31bb"
FLOWN = (STORED, SENT, TOKEN, PASSWORD)


async def sing(served: Served) -> bytes:
    """A job whose connector shows its secret wherever it can, and whose input is another."""
    request = pb.CreateTaskRequest()
    request.template.type, request.template.id.name = "canary", "canary"
    request.template.custom.update({"secrets": {"bird": "canary"}})
    variable = request.template.interface.inputs.variables.add(key="song")
    variable.value.type.simple = 3  # a string
    request.inputs.literals.add(name="song").value.scalar.primitive.string_value = f"x{SENT}x"
    request.connection.secrets["other"] = SENT
    node = request.task_execution_metadata.task_execution_id.node_execution_id
    node.execution_id.name, node.node_id = "run", "a0"
    async with RemoteService(served.grpc, token=TOKEN) as client:
        meta = (await client.create(request)).resource_meta
        category = pb.TaskCategory(name="canary")
        await client.get(pb.GetTaskRequest(resource_meta=meta, task_category=category))
    return meta


def read_all(served: Served) -> tuple[dict[str, str], dict[str, str]]:
    """The pages about the job, and the events of its own."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(headers=headers, timeout=LONGEST_WAIT, follow_redirects=True) as browser:
        seen = {path: browser.get(served.console + path).text for path in ("/", "/jobs", "/jobs?q=canary")}
        (path,) = {part.split('"')[0] for part in seen["/jobs"].split('href="/console/jobs/canary')[1:]}
        page = f"/jobs/canary{path}"
        seen[page] = browser.get(served.console + page).text
        seen["search"] = browser.get(f"{served.console}{page}/log?search=sang").text
        seen["download"] = browser.get(f"{served.console}{page}/log.txt").text
        found: dict[str, str] = {}
        name = ""
        with browser.stream("GET", f"{served.console}{page}/events") as reply:
            for line in reply.iter_lines():
                name = line if line.startswith("event: ") else name
                if line.startswith("data: "):
                    found[name] = line
                if len(found) == 3:
                    break
    return seen, found


async def test_no_secret_is_on_a_page(environment: dict[str, str], tmp_path: Path) -> None:
    """Neither the job's, wherever its connector puts it, nor the service's; and not in a log."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN}\n")
    module = Path(__file__).with_name("canary.py")
    environment = {**environment, "FLYTE_SECRET_CANARY": STORED}
    url = f"https://singer:{PASSWORD}@c.example.com/console"
    flags = ("--module", str(module), "--auth-token-file", str(tokens), "--console-url", url)
    with serving(environment, *flags) as served:
        await sing(served)
        seen, found = await asyncio.to_thread(read_all, served)
    assert '"sings ***"' in str(found)
    assert "it sang ***" in str(found)
    assert "it sang ***" in seen["search"]
    assert "it sang ***" in seen["download"]
    assert "x***x" in "".join(seen.values())
    assert "https://***@c.example.com/console" in seen["/"]
    assert not [secret for secret in FLOWN if secret in str((seen, found))]


def test_what_a_job_printed_is_sent_as_text(served: Served, tasks: Path) -> None:
    """As JSON, and never as a part of a page."""
    path = served.run(tasks, "hostile")
    eventually(lambda: "onerror" in httpx.get(f"{served.console}{path}/log").text)
    for _, data in events(served.console + path):
        if isinstance(data, dict) and data.get("lines"):
            texts = [line[2] for line in data["lines"]]
            break
    assert texts[0] == "<img src=x onerror=alert(1)>"
    assert len(texts[-1]) < 20_000
    page = httpx.get(served.console + path)
    assert "onerror" not in page.text
    assert httpx.get(f"{served.console}{path}/log").headers["content-type"] == "application/json"
    assert httpx.get(f"{served.console}{path}/log.txt").headers["content-type"].startswith("text/plain")
