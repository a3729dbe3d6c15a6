"""`flyte-connectors check`: the rules that any service can be asked for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors.registry import Registry
from flyte_connectors.remote import RemoteService
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings
from flyte_connectors.testing.check import RULES, check_service
from kit_reference import ReferenceConnector, ReferenceSync
from kit_suite import request_for
from mutants import DeletesNothing, ForgetsFinishedCreates, LenientMetaConnector


@pytest.fixture
async def service(request: pytest.FixtureRequest) -> AsyncIterator[ConnectorService]:
    registry = Registry()
    registry.register(request.param)
    service = ConnectorService(registry, ServiceSettings(port=0, metrics_port=0, grace=1))
    await service.start()
    yield service
    await service.stop()


async def faults(service: ConnectorService, connector: Any) -> dict[str, str]:
    """What the service was found to do wrong, by the rule."""
    async with RemoteService(service.address) as client:
        findings = [one async for one in check_service(client, request_for(connector, rows=3))]
    assert len(findings) == len(RULES)
    return {rule: fault for rule, fault in findings if fault}


@pytest.mark.parametrize(
    ("service", "connector"),
    [(ReferenceConnector, ReferenceConnector), (ReferenceSync, ReferenceSync)],
    indirect=["service"],
)
async def test_good_services_keep_every_rule(service: ConnectorService, connector: Any) -> None:
    """Async and sync ones."""
    assert await faults(service, connector) == {}


@pytest.mark.parametrize(
    ("service", "connector", "rule", "fault"),
    [
        (mutant, mutant, rule, fault)
        for mutant, rule, fault in (
            (DeletesNothing, "DeleteTask can be repeated", "a deleted job is RUNNING"),
            (ForgetsFinishedCreates, "CreateTask of the same execution", "another resource_meta"),
            (LenientMetaConnector, "GetTask of an empty or corrupt", "it was accepted"),
        )
    ],
    indirect=["service"],
)
async def test_a_broken_rule_is_found(
    service: ConnectorService, connector: Any, rule: str, fault: str
) -> None:
    """That one, and no other."""
    (found,) = (await faults(service, connector)).items()
    assert found[0].startswith(rule)
    assert fault in found[1]


@pytest.mark.parametrize("service", [ReferenceConnector], indirect=True)
async def test_a_service_without_the_type_breaks_the_rules(service: ConnectorService) -> None:
    """Every rule whose call it refuses, and the list."""
    found = await faults(service, ReferenceSync)
    assert found["ListConnectors names the task type and version"] == "it lists [('kit_job', 0)]"


@pytest.mark.parametrize(
    ("service", "code"), [(ReferenceConnector, 0), (DeletesNothing, 1)], indirect=["service"]
)
async def test_the_command_prints_a_line_for_each_rule(
    service: ConnectorService, code: int, tmp_path: Path
) -> None:
    """And ends with 1 if one is broken."""
    template = tmp_path / "template.pb"
    template.write_bytes(request_for(ReferenceConnector, rows=3).template.SerializeToString())
    arguments = ["check", "--endpoint", service.address, "--task-template", str(template)]
    command = [sys.executable, "-m", "flyte_connectors", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == code, printed
    assert len([line for line in printed.decode().splitlines() if line[0] != " "]) == len(RULES)
    assert (b"BROKEN" in printed) == bool(code)
