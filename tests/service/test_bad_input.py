"""Bad requests: the error names the field, no job is left behind, and the service goes on."""

from __future__ import annotations

import asyncio
import builtins
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.core.types_pb2 import BlobType, SimpleType
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.job_service import JobService
from tests.fakes.requests import create_request
from tests.service.client import Client, Job, refusal
from tests.service.hosting import hosting

INPUTS = {"n": 3, "name": "x"}
VERBS = ["get", "delete", "get_logs", "get_metrics"]


async def refused(client: Client, jobs: JobService, request: pb.CreateTaskRequest) -> tuple[str, str]:
    """Code and text with which `request` is refused, with nothing started and the next one served."""
    seen = await refusal(client.jobs.CreateTask(request))
    assert jobs.jobs == []
    assert jobs.calls("create") == []
    await client.create(run="the-next-one")
    return seen


@pytest.mark.parametrize(("task_type", "version"), [("nothing", 0), ("fake_job", 7), ("", 0)])
async def test_an_unknown_task_type_or_version_is_not_found(
    client: Client, jobs: JobService, task_type: str, version: int
) -> None:
    """It is named, and so are those that are known."""
    request = create_request(task_type, version)
    code, text = await refused(client, jobs, request)
    assert code == "NOT_FOUND"
    assert f"'{task_type}' version {version}" in text
    assert "'fake_bare' version 2" in text


async def test_every_verb_wants_a_known_task_type(client: Client) -> None:
    """Also for a job that exists."""
    job = await client.create()
    job.category.name = "nothing"
    for verb in VERBS:
        code, text = await refusal(job.call(verb))
        assert (verb, code) == (verb, "NOT_FOUND")
        assert "'nothing'" in text


async def test_a_missing_input_is_named(client: Client, jobs: JobService) -> None:
    """Instead of being dropped."""
    request = create_request(inputs=INPUTS)
    del request.inputs.literals[0]
    code, text = await refused(client, jobs, request)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("inputs.n: missing")


async def test_an_undeclared_input_is_named(client: Client, jobs: JobService) -> None:
    """Beside those that are declared."""
    request = create_request(inputs=INPUTS)
    request.inputs.literals.add(name="extra").value.scalar.primitive.integer = 1
    code, text = await refused(client, jobs, request)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("inputs.extra: undeclared")
    assert "n, name" in text


async def test_an_input_of_another_type_is_named(client: Client, jobs: JobService) -> None:
    """With what was expected and what came."""
    request = create_request(inputs=INPUTS)
    request.inputs.literals[0].value.scalar.primitive.string_value = "three"
    code, text = await refused(client, jobs, request)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("inputs.n: expected int")
    assert "string" in text


class Bomb:
    """Does harm when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("import builtins; builtins.exploded = True",)


@pytest.mark.parametrize("declared", ["pickle", "int", "struct"])
async def test_a_pickled_input_is_refused_unread(
    client: Client, jobs: JobService, tmp_path: Path, declared: str
) -> None:
    """Whatever the request declares, its code does not run."""
    bomb = tmp_path / "bomb"
    bomb.write_bytes(pickle.dumps(Bomb()))
    request = create_request(inputs={"n": 3})
    blob = BlobType(format="PythonPickle")
    variable = request.template.interface.inputs.variables[0].value.type
    if declared == "pickle":
        variable.blob.CopyFrom(blob)
    elif declared == "struct":
        variable.simple = SimpleType.STRUCT
    literal = request.inputs.literals[0].value.scalar
    literal.blob.uri = bomb.as_uri()
    literal.blob.metadata.type.CopyFrom(blob)
    code, text = await refused(client, jobs, request)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("inputs.n: ")
    assert "pickle" in text
    assert not hasattr(builtins, "exploded")


def truncated(meta: bytes) -> bytes:
    return meta[: len(meta) // 2]


def flipped(meta: bytes) -> bytes:
    return meta[:-6] + bytes([meta[-6] ^ 1]) + meta[-5:]


METAS: list[Callable[[bytes], bytes]] = [
    lambda _: b"",
    lambda _: b"not JSON",
    lambda _: b"{}",
    lambda _: b"[1]",
    lambda _: b'{"key": 3}',
    lambda _: b"\x00fc1",
    lambda meta: meta + b"x",
    truncated,
    flipped,
]
NAMES = [
    "empty",
    "text",
    "no-fields",
    "list",
    "wrong-type",
    "magic",
    "longer",
    "truncated",
    "flipped",
]


@pytest.mark.parametrize("damage", METAS, ids=NAMES)
async def test_a_damaged_meta_is_refused(client: Client, jobs: JobService, damage: Callable[[bytes], bytes]) -> None:
    """INVALID_ARGUMENT for the field by every verb, and the connector is not asked."""
    job = await client.create()
    intact, job.meta = job.meta, damage(job.meta)
    for verb in VERBS:
        code, text = await refusal(job.call(verb))
        assert (verb, code) == (verb, "INVALID_ARGUMENT")
        assert text.startswith("resource_meta: ")
        assert jobs.calls(verb) == []
    job.meta = intact
    await job.get()


@pytest.mark.parametrize("foreign", ["fake_plain", "fake_sync", "fake_bare"])
async def test_another_connectors_meta_is_refused(client: Client, jobs: JobService, foreign: str) -> None:
    """Both ways, although the fields are the same."""
    version = 2 if foreign == "fake_bare" else 0
    ours, theirs = await client.create(), await client.create(foreign, version=version)
    ours.meta, theirs.meta = theirs.meta, ours.meta
    for verb in ("get", "delete"):
        for job in (ours, theirs):
            code, text = await refusal(job.call(verb))
            assert code == "INVALID_ARGUMENT"
            assert text.startswith("resource_meta: ")
        assert jobs.calls(verb) == []


async def test_an_unknown_log_token_is_refused(client: Client) -> None:
    """By the connector's word, in the middle of a stream call."""
    job = await client.create(custom={"log": ["one"]})
    code, text = await refusal(job.page(token="page-2"))
    assert code == "INVALID_ARGUMENT"
    assert text == "token: 'page-2' is not a page of this log"


async def test_a_message_over_the_limit_is_refused(jobs: JobService) -> None:
    """The limit is a setting; one byte less than too much still passes."""
    limit = 100_000
    async with hosting(max_message_bytes=limit) as service, Client(service.address) as client:
        request = create_request(inputs={"text": ""})
        room = limit - len(request.SerializeToString()) - 20
        fits = create_request(inputs={"text": "x" * room})
        await client.send(fits)
        code, text = await refusal(client.send(create_request(inputs={"text": "x" * limit})))
        assert code == "RESOURCE_EXHAUSTED"
        assert str(limit) in text
        assert len(jobs.jobs) == 1
        await client.send(fits)


@settings(max_examples=25)
@given(junk=st.binary(max_size=200), task_type=st.sampled_from(["fake_job", "fake_sync"]))
def test_any_bytes_for_a_meta_are_refused(junk: bytes, task_type: str) -> None:
    """Never with an unforeseen error."""

    async def ask() -> str:
        async with hosting() as service, Client(service.address) as client:
            job = Job(client, junk, pb.TaskCategory(name=task_type))
            code, _ = await refusal(job.get())
            return code

    assert asyncio.run(ask()) == "INVALID_ARGUMENT"


async def test_bytes_that_are_no_request_are_refused(client: Client) -> None:
    """And the service goes on."""
    raw = client.channel.unary_unary("/flyteidl2.connector.AsyncConnectorService/CreateTask")
    await refusal(raw(b"\xff\xff\xff"))
    await client.create()


async def test_an_unknown_method_is_unimplemented(client: Client) -> None:
    """The code by which the back end knows an older service."""
    raw = client.channel.unary_unary("/flyteidl2.connector.AsyncConnectorService/Surprise")
    code, _ = await refusal(raw(b""))
    assert code == "UNIMPLEMENTED"
