"""The configuration of Flyte's back end in the plugins' READMEs is what `deploy` prints."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from flyte_connectors_bigquery import (
    BigQueryConnector,
    BigQueryCopyConnector,
    BigQueryDryRunConnector,
    BigQueryExtractConnector,
    BigQueryLoadConnector,
    BigQuerySensorConnector,
)
from flyte_connectors_deploy import ConnectorEnvironment
from flyte_connectors_deploy.kubernetes_yaml import to_yaml
from flyte_connectors_deploy.routing import routing

from tests.docs.markdown import DOCS, blocks


def test_the_routing_of_bigquery_is_what_the_back_end_reads() -> None:
    """For the task types of the plugin."""
    readme = (DOCS.parent / "plugins" / "bigquery" / "README.md").read_text()
    connectors = (
        *(BigQueryConnector, BigQueryDryRunConnector),
        *(BigQueryLoadConnector, BigQueryExtractConnector, BigQueryCopyConnector),
        BigQuerySensorConnector,
    )
    types = [connector.task_type_name for connector in connectors]
    expected = to_yaml(routing(ConnectorEnvironment(name="bigquery"), types))
    assert re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL) == [expected]


def chosen(plugin: Any, project: str, domain: str, task_type: str) -> str:
    """The service that the back end sends a task to, as its `getFinalConnector` looks for it.

    Services say which types they serve; `connectorForTaskTypes` adds what they fail to say.
    """
    table: dict[tuple[str, str, str], str] = {}
    for task_type_, name in plugin["connectorForTaskTypes"].items():
        service = plugin["connectors"][name]
        table[service.get("project", ""), service.get("domain", ""), task_type_] = name
    for name, service in plugin["connectors"].items():
        for served in plugin["supportedTaskTypes"]:
            table[service.get("project", ""), service.get("domain", ""), served] = name
    keys = ((project, domain, task_type), ("", domain, task_type), ("", "", task_type))
    return next(table[key] for key in keys if key in table)


@pytest.mark.parametrize(
    ("project", "domain", "service"),
    [
        ("team-a", "production", "connectors-of-team-a"),
        ("team-b", "production", "connectors-of-production"),
        ("team-a", "development", "connectors-of-all"),
        ("team-b", "staging", "connectors-of-all"),
    ],
)
def test_each_tenant_has_its_own_service(project: str, domain: str, service: str) -> None:
    """By the configuration that operators are shown; no service in it could never be chosen."""
    (code,) = [b.code for b in blocks(DOCS / "operate.md") if b.code.startswith("# tenants.yaml")]
    plugin = yaml.safe_load(code)["plugins"]["connector-service"]
    assert chosen(plugin, project, domain, "bigquery_query_job_task") == service
    assert all("domain" in each for each in plugin["connectors"].values() if "project" in each)
