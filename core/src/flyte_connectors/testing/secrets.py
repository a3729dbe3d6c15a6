"""Secrets reach the verbs as arguments, and nothing else."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flyteidl2.connector import connector_pb2 as pb

from flyte_connectors.errors import ConnectorError
from flyte_connectors.testing.harness import Driver, execution_of
from flyte_connectors.testing.jobs import start
from flyte_connectors.testing.rule import rule


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
        """At no level and on no stream; the service masks them, other hosts of a connector don't."""
        with caplog.at_level(logging.DEBUG):
            await _live(direct, task_request)
        printed = "".join(capfd.readouterr())
        for name, value in secrets.items():
            assert value not in caplog.text + printed, f"the secret {name} was logged or printed"

    @rule()
    async def test_secrets_are_in_no_reply(
        self,
        driver: Driver,
        task_request: pb.CreateTaskRequest,
        secrets: Mapping[str, str],
        request: pytest.FixtureRequest,
    ) -> None:
        """Flyte stores and shows metas, messages, outputs and errors."""
        replies = await _live(driver, task_request)
        if "create" in driver.bound.verbs:
            service = request.getfixturevalue("service")
            job = await start(driver, service, execution_of(task_request))
            service.complete(job.id)
            replies += (await driver.end(job.meta)).SerializeToString()
        for name, value in secrets.items():
            assert value.encode() not in replies, f"the secret {name} is in a reply"

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
                assert value not in text, f"the connector keeps or shows the secret {name}"


async def _live(driver: Driver, request: pb.CreateTaskRequest) -> bytes:
    """Every reply of a job's life, or the error instead, as bytes."""
    replies = b""
    try:
        meta = await driver.create(request)
        replies += meta + (await driver.get(meta)).SerializeToString()
        if "get_logs" in driver.bound.verbs:
            replies += "\n".join((await driver.log_page(meta))[0]).encode()
        await driver.delete(meta)
        with contextlib.suppress(ConnectorError):
            replies += (await driver.get(meta)).SerializeToString()
    except ConnectorError as error:
        replies += error.message.encode()
    return replies
