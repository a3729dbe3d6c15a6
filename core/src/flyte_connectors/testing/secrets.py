"""Secrets reach the verbs as arguments, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb
from google.protobuf.message import Message

from flyte_connectors.errors import ConnectorError
from flyte_connectors.secrets import redact
from flyte_connectors.testing.harness import Driver, driving, execution_of
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule
from flyte_connectors.testing.service import ControllableService, SeesSecrets


class SecretRules:
    """Rules of secrets."""

    @rule()
    async def test_secrets_are_not_logged(
        self,
        direct: Driver,
        task_request: pb.CreateTaskRequest,
        secrets: Mapping[str, str],
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """At every level and on every stream; the service masks secrets, other hosts of a connector don't."""
        with caplog.at_level(logging.DEBUG):
            await _live(direct, task_request)
        printed = "".join(capfd.readouterr())
        for name, value in secrets.items():
            assert value not in caplog.text + printed, f"the secret {name} was logged or printed: do not log arguments"

    @rule()
    async def test_secrets_are_in_no_reply(
        self,
        driver: Driver,
        task_request: pb.CreateTaskRequest,
        refused_requests: Mapping[str, pb.CreateTaskRequest],
        secrets: Mapping[str, str],
        request: pytest.FixtureRequest,
    ) -> None:
        """Flyte stores and shows metas, messages, outputs and errors."""
        replies = await _live(driver, task_request)
        for field, refused in refused_requests.items():
            replies[f"the error of an invalid {field}"] = await _said(driver.create(refused))
        if "create" in driver.bound.verbs:
            replies.update(await _end(driver, task_request, request.getfixturevalue("service")))
        for what, reply in replies.items():
            for name, value in secrets.items():
                shown = redact(reply, {name: value}) != reply
                assert not shown, f"the secret {name}, or an encoding of it, is in {what}: leave it out"

    @rule()
    async def test_verbs_answer_without_secrets(
        self,
        direct: Driver,
        task_request: pb.CreateTaskRequest,
        refused_requests: Mapping[str, pb.CreateTaskRequest],
        secrets: Mapping[str, str],
        request: pytest.FixtureRequest,
    ) -> None:
        """The core masks what it knows; other hosts of a connector mask nothing.

        So the secrets are passed as configs here: the same arguments, but not masked. Outputs are never
        masked, so the other test covers them.
        """
        replies = await _live(direct, _as_configs(task_request, direct), outputs=False)
        for field, refused in refused_requests.items():
            answer = await _said(direct.create(_as_configs(refused, direct)))
            replies[f"the error of an invalid {field}"] = answer
        if "create" in direct.bound.verbs:
            service = request.getfixturevalue("service")
            ends = await _end(direct, _as_configs(task_request, direct), service, outputs=False)
            replies.update(ends)
        for what, reply in replies.items():
            for name, value in secrets.items():
                shown = redact(reply, {name: value}) != reply
                assert not shown, f"{what} holds the secret {name}, or an encoding of it: leave it out"

    @rule("create", service=SeesSecrets)
    async def test_each_call_uses_its_own_secrets(
        self,
        connector: Callable[[], Any],
        service: Any,
        task_request: pb.CreateTaskRequest,
        secrets: Mapping[str, str],
    ) -> None:
        """One connector serves many tenants, and none may act as another."""
        shared = connector()
        async with driving(shared) as one, driving(shared) as other:
            calls = {}
            for driver, tenant in ((one, "tenant-one"), (other, "tenant-two")):
                request = execution_of(task_request)
                request.connection.secrets.update({name: f"{value}-{tenant}" for name, value in secrets.items()})
                calls[tenant] = driver, await start(driver, service, request)
            for _ in range(3):
                for tenant, (_, job) in calls.items():
                    used = service.secret_of(job.id)
                    assert tenant in used, (
                        f"a call of {tenant} used another tenant's secret: keep no client with credentials"
                    )
                await asyncio.gather(*(driver.get(job.meta) for driver, job in calls.values()))

    @rule()
    async def test_secrets_stay_out_of_repr(
        self,
        connector: Callable[[], Any],
        direct: Driver,
        task_request: pb.CreateTaskRequest,
        secrets: Mapping[str, str],
    ) -> None:
        """Debuggers and error reports show the `repr` of what they meet."""
        await _live(direct, task_request)
        for shown in (direct.bound.plugin, connector()):
            text = f"{shown!r} {vars(shown) if hasattr(shown, '__dict__') else ''}"
            for name, value in secrets.items():
                assert value not in text, f"the connector keeps or shows the secret {name}: use it in the call only"


def _as_configs(request: pb.CreateTaskRequest, driver: Driver) -> pb.CreateTaskRequest:
    """A request whose secrets are configs, except the connector's own."""
    copy = execution_of(request)
    named = copy.template.custom.fields["secrets"].struct_value.fields
    for name, value in request.connection.secrets.items():
        if name not in driver.bound.own_secrets:
            copy.connection.configs[name] = value
            del copy.connection.secrets[name]
            named.pop(name, None)
    if not named:
        del copy.template.custom.fields["secrets"]
    return copy


async def _live(driver: Driver, request: pb.CreateTaskRequest, *, outputs: bool = True) -> dict[str, str]:
    """Every reply about a job."""
    meta = await driver.create(request)
    replies = {
        "the resource meta": _text(meta),
        "the reply of get": await _said(driver.get(meta), outputs=outputs),
    }
    if "get_logs" in driver.bound.verbs:
        replies["the reply of get_logs"] = await _said(_log(driver, meta))
    if "get_metrics" in driver.bound.verbs:
        replies["the reply of get_metrics"] = await _said(driver.metrics(meta))
    replies["the reply of delete"] = await _said(driver.delete(meta))
    replies["the state of a deleted job"] = await _said(driver.get(meta), outputs=outputs)
    return replies


async def _end(
    driver: Driver,
    request: pb.CreateTaskRequest,
    service: ControllableService,
    *,
    outputs: bool = True,
) -> dict[str, str]:
    """The replies about jobs that end by themselves, and the errors while the service is down."""
    replies = {}
    for end in (service.complete, service.fail, service.forget):
        job = await start(driver, service, execution_of(request))
        end(job.id)
        with contextlib.suppress(ConnectorError):
            await driver.end(job.meta)
        replies[f"the reply of get after {end.__name__}"] = await _said(driver.get(job.meta), outputs=outputs)
    service.go_away()
    replies["the error while the service is down"] = await _said(driver.get(job.meta, timeout=2))
    return replies


async def _log(driver: Driver, meta: bytes) -> str:
    items = driver.client.get_logs(driver.logs_request(meta))
    return "".join([_text(item.SerializeToString()) async for item in items])


async def _said(call: Awaitable[object], *, outputs: bool = True) -> str:
    """The reply of a call, or its error instead."""
    try:
        reply = await call
    except ConnectorError as error:
        return error.message
    if isinstance(reply, pb.Resource) and not outputs:
        reply.ClearField("outputs")
    return _text(reply.SerializeToString()) if isinstance(reply, Message) else str(reply)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
