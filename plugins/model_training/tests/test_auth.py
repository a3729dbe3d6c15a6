"""Credentials: which header they become, and where they never appear."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.endpoints import VARIABLE
from flyte_connectors.errors import AuthenticationError, PermissionDeniedError
from flyte_connectors_model_training import Auth, ModelTrainingConnector, ModelTrainTask
from flyteidl2.connector import connector_pb2 as pb

if TYPE_CHECKING:
    from conftest import ScriptedServer

CANARY = "canary-7f3e9c"


@pytest.fixture
def dispatcher() -> Dispatcher:
    """The core's call path with this connector."""
    registry = Registry()
    registry.register(ModelTrainingConnector())
    return Dispatcher(registry, CallGuard())


def request_for(endpoint: str, auth: Auth, secret: str | None) -> pb.CreateTaskRequest:
    """Make the request that starts a training with a secret sent along."""
    task = ModelTrainTask(name="train", endpoint=endpoint, auth=auth)
    inputs = task.interface.write_inputs("train", {"epochs": 1, "dataset_uri": "file:///a"})
    request = pb.CreateTaskRequest(template=task.to_proto(), inputs=inputs)
    request.task_execution_metadata.task_execution_id.node_execution_id.node_id = "n0"
    if secret:
        request.connection.secrets["training_credential"] = secret
    return request


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (Auth("s"), f"Authorization: Bearer {CANARY}"),
        (Auth("s", "basic", "me"), "Authorization: Basic bWU6Y2FuYXJ5LTdmM2U5Yw=="),
        (Auth("s", "header", "X-Api-Key"), f"X-Api-Key: {CANARY}"),
    ],
)
async def test_a_secret_goes_out_in_its_header_with_every_call(
    scripted: ScriptedServer,
    dispatcher: Dispatcher,
    caplog: pytest.LogCaptureFixture,
    auth: Auth,
    header: str,
) -> None:
    """And is in no meta, no reply and no log, not even where the service repeats it."""
    caplog.set_level(logging.DEBUG)
    scripted.answer({"job_id": "a"}, {"status": "failed", "message": f"bad token {CANARY}"})
    request = request_for(scripted.endpoint, auth, CANARY)
    created = await dispatcher.create(request)
    category = pb.TaskCategory(name=request.template.type)
    poll = pb.GetTaskRequest(resource_meta=created.resource_meta, task_category=category, connection=request.connection)
    polled = await dispatcher.get(poll)
    assert all(f"{header}\r\n" in sent for sent in scripted.requests)
    assert len(scripted.requests) == 2
    shown = f"{created}{polled}{caplog.text}"
    assert "bad token" in shown
    assert CANARY not in shown


async def test_a_missing_secret_is_named(scripted: ScriptedServer, dispatcher: Dispatcher) -> None:
    """Nothing is sent without it."""
    with pytest.raises(AuthenticationError, match="secret 's' was not sent"):
        await dispatcher.create(request_for(scripted.endpoint, Auth("s"), None))
    assert scripted.requests == []


async def test_a_forged_meta_sends_no_secret_elsewhere(
    scripted: ScriptedServer, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is asked in every call, not at creation only."""
    scripted.answer({"job_id": "a"})
    request = request_for(scripted.endpoint, Auth("s"), CANARY)
    meta = (await dispatcher.create(request)).resource_meta
    monkeypatch.setenv(VARIABLE, "train.example.org")
    category = pb.TaskCategory(name=request.template.type)
    poll = pb.GetTaskRequest(resource_meta=meta, task_category=category, connection=request.connection)
    with pytest.raises(PermissionDeniedError, match="is not allowed"):
        await dispatcher.get(poll)
    assert len(scripted.requests) == 1


async def test_an_endpoint_that_is_not_listed_is_refused(
    scripted: ScriptedServer, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither with credentials nor without; nothing is sent."""
    monkeypatch.setenv(VARIABLE, "train.example.org")
    task = ModelTrainTask(name="train", endpoint=scripted.endpoint)
    plain = request_for(scripted.endpoint, Auth("s"), CANARY)
    plain.template.CopyFrom(task.to_proto())
    for request in (plain, request_for(scripted.endpoint, Auth("s"), CANARY)):
        with pytest.raises(PermissionDeniedError, match=r"custom\.endpoint: .* is not allowed"):
            await dispatcher.create(request)
    assert scripted.requests == []
