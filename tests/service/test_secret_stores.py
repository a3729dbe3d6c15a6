"""Secrets by a plugin's store: what `find_secrets` answers reaches the verbs, and what it does not answer costs no job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from flyte_connectors import hookimpl
from flyte_connectors._dispatch.envelope import Envelope, seal
from flyte_connectors.errors import AuthenticationError, ServiceUnavailableError
from flyteidl2.connector import connector_pb2 as pb
from flyteidl2.connector import service_pb2_grpc as stubs
from flyteidl2.core.execution_pb2 import TaskExecution

from tests.service.hosting import hosting
from tests.service.test_tenants import Keys, request

Answer = Callable[[str, str, Sequence[str]], Awaitable[Mapping[str, str] | None]]


class Store:
    """A store of secrets that answers as a test wants, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, list[str]]] = []
        self.answer: Answer = self.has

    async def has(self, project: str, domain: str, names: Sequence[str]) -> Mapping[str, str] | None:
        """A value of the project for each name."""
        return {name: f"{name} of {project}/{domain}" for name in names}

    def plugin(self) -> Any:
        """A plugin with that hook."""

        @hookimpl
        async def find_secrets(project: str, domain: str, names: Sequence[str]) -> Mapping[str, str] | None:
            self.asked.append((project, domain, [*names]))
            return await self.answer(project, domain, names)

        return SimpleNamespace(find_secrets=find_secrets)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def jobs(keys: Keys, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A service with a store, and with a mounted folder for one project."""
    (tmp_path / "secrets" / "team-a").mkdir(parents=True)
    (tmp_path / "secrets" / "team-a" / "vendor-key").write_text("a file")
    (tmp_path / "password").write_text("of the machine")
    monkeypatch.setenv("FLYTE_CONNECTORS_SECRETS_DIR", str(tmp_path / "secrets"))
    async with (
        hosting(connectors=[keys], plugins=[store.plugin()], secrets_by="project") as service,
        grpc.aio.insecure_channel(service.address) as channel,
    ):
        yield stubs.AsyncConnectorServiceStub(channel)


def about(meta: bytes) -> dict[str, Any]:
    return {"resource_meta": meta, "task_category": {"name": "keys"}}


async def test_every_call_asks_the_store(jobs: Any, keys: Keys, store: Store) -> None:
    """So a rotated secret is that of the next call; the folder is not read."""
    meta = (await jobs.CreateTask(request("team-a", "production"))).resource_meta
    await jobs.GetTask(pb.GetTaskRequest(**about(meta)))
    [page async for page in jobs.GetTaskLogs(pb.GetTaskLogsRequest(**about(meta)))]
    store.answer = lambda *_: asyncio.sleep(0, {"vendor-key": "rotated"})
    await jobs.DeleteTask(pb.DeleteTaskRequest(**about(meta)))
    value = "vendor-key of team-a/production"
    assert keys.seen == [f"create {value}", f"get {value}", f"get_logs {value}", "delete rotated"]
    assert store.asked == [("team-a", "production", ["vendor-key"])] * 4


async def test_where_a_store_is_not_set_up_the_folders_are_read(jobs: Any, keys: Keys, store: Store) -> None:
    """It says so by None."""
    store.answer = lambda *_: asyncio.sleep(0, None)
    await jobs.CreateTask(request("team-a", "production"))
    assert keys.seen == ["create a file"]


async def test_what_the_back_end_sends_is_not_looked_up(jobs: Any, keys: Keys, store: Store) -> None:
    """It has found it for that user."""
    sent = request("team-a", "production")
    sent.connection.secrets["key"] = "of a user"
    await jobs.CreateTask(sent)
    assert (keys.seen, store.asked) == (["create of a user"], [])


async def fails(*_: Any) -> Any:
    raise AuthenticationError("no secret 'vendor-key' in the store: add it")


async def is_away(*_: Any) -> Any:
    raise ServiceUnavailableError("the store is away", outcome_unknown=False)


async def is_broken(*_: Any) -> Any:
    raise ValueError("hush: vendor-key")


async def hangs(*_: Any) -> Any:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (fails, ("UNAUTHENTICATED", "no secret 'vendor-key' in the store: add it")),
        (is_away, ("UNAVAILABLE", "the store is away")),
        (is_broken, ("INTERNAL", "find_secrets of tests.service.test_secret_stores failed unexpectedly")),
        (hangs, ("UNAVAILABLE", "the store of secrets has not answered in time for team-a/production")),
    ],
)
async def test_a_store_that_fails_starts_nothing(
    jobs: Any, keys: Keys, store: Store, answer: Answer, refusal: tuple[str, str]
) -> None:
    """And a running job stays RUNNING while it does."""
    meta = (await jobs.CreateTask(request("team-a", "production"))).resource_meta
    keys.seen.clear()
    store.answer = answer
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.CreateTask(request("team-a", "production"), timeout=1.0)
    assert refused.value.code().name == refusal[0]
    assert refusal[1] in (refused.value.details() or "")
    assert "hush" not in (refused.value.details() or "")
    polled = await jobs.GetTask(pb.GetTaskRequest(**about(meta)), timeout=1.0)
    assert polled.resource.phase == TaskExecution.RUNNING
    assert keys.seen == []


@pytest.mark.parametrize(
    "name",
    [
        "\0../../password",
        "\0..//password",
        "\0team-a/../password",
        "\0team-a/production/../../../password",
        "\0",
        "\0x",
    ],
)
async def test_a_forged_meta_leads_to_no_file(jobs: Any, keys: Keys, store: Store, name: str) -> None:
    """Its checksum is not a secret, so the names of its secrets are checked again."""
    store.answer = lambda *_: asyncio.sleep(0, None)
    meta = seal(Envelope(b"{}", secrets={"key": name}), "keys")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await jobs.GetTask(pb.GetTaskRequest(**about(meta)))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "it names a secret of no project" in (refused.value.details() or "")
    assert (keys.seen, store.asked) == ([], [])
