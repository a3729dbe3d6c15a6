"""`flyte-connectors check`: the rules that any service can be asked for."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from flyte_connectors import Phase, Resource
from flyte_connectors._registry.table import Registry
from flyte_connectors.client.remote import RemoteService
from flyte_connectors.errors import ServiceUnavailableError
from flyte_connectors.service.server import ConnectorService
from flyte_connectors.service.settings import ServiceSettings, variable_of
from flyte_connectors.testing.check import RULES, Finding, Verdict, check_service
from flyteidl2.core.literals_pb2 import Literal
from kit_reference import ReferenceConnector, ReferenceSync
from kit_suite import request_for
from mutants import DeletesNothing, LenientMetaConnector, StartsReplaysAnew


class ReturnsItsSecret(ReferenceSync):
    """In an output, which the core does not mask."""

    async def do(self, **kwargs: Any) -> Resource:
        outputs = {"count": Literal(hash=kwargs.get("kit_secret", ""))}
        return Resource(Phase.SUCCEEDED, outputs=outputs)


@pytest.fixture
async def service(request: pytest.FixtureRequest) -> AsyncIterator[ConnectorService]:
    registry = Registry()
    registry.register(request.param)
    transport = os.environ.get(variable_of("transport"), "grpcio")
    settings = ServiceSettings(port=0, metrics_port=0, grace=1, transport=transport)
    service = ConnectorService(registry, settings)
    await service.start()
    yield service
    await service.stop()


async def faults(service: ConnectorService, connector: Any) -> dict[str, str]:
    """What the service was found to do wrong, by the rule."""
    async with RemoteService(service.address) as client:
        findings = [one async for one in check_service(client, request_for(connector, rows=3))]
    assert len(findings) == len(RULES)
    return {finding.rule: finding.fault for finding in findings if finding.fault}


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
            (StartsReplaysAnew, "CreateTask of the same execution", "another resource_meta"),
            (LenientMetaConnector, "GetTask of an empty or corrupt", "it was accepted"),
            (ReturnsItsSecret, "Secrets in a request", "a reply holds the secret kit_secret"),
        )
    ],
    indirect=["service"],
)
async def test_a_broken_rule_is_found(service: ConnectorService, connector: Any, rule: str, fault: str) -> None:
    """That one, and no other."""
    (found,) = (await faults(service, connector)).items()
    assert found[0].startswith(rule)
    assert fault in found[1]


@pytest.mark.parametrize("service", [ReferenceConnector], indirect=True)
async def test_a_service_without_the_type_breaks_the_rules(service: ConnectorService) -> None:
    """Every rule whose call it refuses, and the list."""
    found = await faults(service, ReferenceSync)
    assert found["ListConnectors names the task type and version"] == "it lists [('kit_job', 0)]"
    assert found["CreateTask accepts the task"].startswith("NOT_FOUND: ")
    assert len(found) == 3  # and its metas are refused with another code


@pytest.mark.parametrize("service", [ReferenceConnector], indirect=True)
async def test_a_task_that_is_not_accepted_is_one_fault(service: ConnectorService) -> None:
    """Rules about its jobs are not asked for, so they are not kept either."""
    request = request_for(ReferenceConnector, rows=3)
    request.template.custom.Clear()
    request.template.custom.update({"rows": "many"})
    async with RemoteService(service.address) as client:
        findings = [one async for one in check_service(client, request)]
    (broken,) = (finding for finding in findings if finding.verdict is Verdict.BROKEN)
    assert broken.rule == "CreateTask accepts the task"
    assert [finding.verdict for finding in findings[-4:]] == [Verdict.NOT_ASKED] * 4


async def test_a_service_that_cannot_be_reached_is_one_error() -> None:
    """Nothing was asked, so nothing is kept or broken."""
    verdicts: list[Verdict] = []
    async with RemoteService("127.0.0.1:1") as client:
        findings = check_service(client, request_for(ReferenceConnector, rows=3))
        with pytest.raises(ServiceUnavailableError, match=r"127\.0\.0\.1:1: connection refused$"):
            await _collect(findings, verdicts)
    assert verdicts == [Verdict.NOT_ASKED] * len(RULES)


@pytest.mark.parametrize("service", [ReferenceConnector], indirect=True)
async def test_a_service_that_goes_away_is_one_error(service: ConnectorService) -> None:
    """What was found before stands."""
    verdicts: list[Verdict] = []
    async with RemoteService(service.address) as client:
        findings = check_service(client, request_for(ReferenceConnector, rows=3))
        verdicts += [(await anext(findings)).verdict for _ in range(2)]
        await service.stop()
        with pytest.raises(ServiceUnavailableError, match="connector service at"):
            await _collect(findings, verdicts)
    assert verdicts == [Verdict.KEPT] * 2 + [Verdict.NOT_ASKED] * (len(RULES) - 2)


async def _collect(findings: AsyncIterator[Finding], verdicts: list[Verdict]) -> None:
    async for finding in findings:
        verdicts.append(finding.verdict)  # noqa: PERF401  (those before an error count)


@pytest.mark.parametrize("json_flag", [(), ("--json",)])
@pytest.mark.parametrize("service", [ReferenceConnector], indirect=True)
async def test_the_command_says_once_that_nothing_answers(command: list[str], json_flag: tuple[str, ...]) -> None:
    """On standard error, with exit code 1."""
    command[command.index("--endpoint") + 1] = "127.0.0.1:1"
    process = await asyncio.create_subprocess_exec(
        *command, *json_flag, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, said = await process.communicate()
    assert process.returncode == 1
    assert said == b"flyte-connectors: connector service at 127.0.0.1:1: connection refused\n"
    assert printed.count(b"not asked") == len(RULES)
    assert b"BROKEN" not in printed
    assert b"ok" not in printed.split()


@pytest.fixture
def command(service: ConnectorService, tmp_path: Path) -> list[str]:
    """The command for the reference connector."""
    template = tmp_path / "template.pb"
    template.write_bytes(request_for(ReferenceConnector, rows=3).template.SerializeToString())
    arguments = ["check", "--endpoint", service.address, "--task-template", str(template)]
    return [sys.executable, "-m", "flyte_connectors", *arguments]


@pytest.mark.parametrize(("service", "code"), [(ReferenceConnector, 0), (DeletesNothing, 1)], indirect=["service"])
async def test_the_command_prints_a_line_for_each_rule(command: list[str], code: int) -> None:
    """And ends with 1 if one is broken."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == code, printed
    assert len([line for line in printed.decode().splitlines() if line[0] != " "]) == len(RULES)
    assert (b"BROKEN" in printed) == bool(code)


@pytest.mark.parametrize(("service", "code"), [(ReferenceConnector, 0), (DeletesNothing, 1)], indirect=["service"])
async def test_programs_get_json(command: list[str], code: int) -> None:
    """Each rule with its fault, empty where it is kept."""
    process = await asyncio.create_subprocess_exec(*command, "--json", stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    findings = json.loads(printed)
    assert process.returncode == code
    assert len(findings) == len(RULES)
    assert any(finding["fault"] for finding in findings) == bool(code)


@pytest.mark.parametrize("service", [ReferenceConnector], indirect=True)
async def test_the_command_trusts_and_identifies_itself_as_the_others_do(command: list[str], tmp_path: Path) -> None:
    """By the environment variables of `run`."""
    missing = tmp_path / "ca.pem"
    environment = {**os.environ, "FLYTE_CONNECTORS_ENDPOINT_CA": str(missing)}
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=environment)
    _, complaint = await process.communicate()
    assert process.returncode == 1
    assert f"can't read {missing}".encode() in complaint
