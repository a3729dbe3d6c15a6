"""The configuration of Flyte's back end in the plugins' READMEs is what `deploy` prints."""

from __future__ import annotations

import re

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

from tests.docs.markdown import DOCS


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
