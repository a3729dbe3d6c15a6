"""The README says what is true."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from bed import google_cloud
from flyte_connectors import TaskTemplate
from flyte_connectors_bigquery import (
    BigQueryConfig,
    BigQueryCopyConfig,
    BigQueryExtractConfig,
    BigQueryLoadConfig,
)
from flyte_connectors_bigquery.client import ASKING, SUBMITTING
from flyte_connectors_bigquery.connector import BigQueryConnector
from flyte_connectors_bigquery.jobs import reasons
from flyte_connectors_bigquery.settings import ALLOWED_PROJECTS_VARIABLE, TOKEN_FILES_VARIABLE

README = (Path(__file__).parent.parent / "README.md").read_text()


@pytest.mark.parametrize("snippet", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_snippets_define_tasks(snippet: str) -> None:
    """Each snippet runs, and its task can be serialized."""
    names: dict[str, object] = {}
    exec(snippet, names)
    (task,) = (value for value in names.values() if isinstance(value, TaskTemplate))
    assert task.to_proto().custom["ProjectID"] == "my-project"


def test_every_setting_is_in_the_table() -> None:
    """The table lists the fields of the configuration, all and in order."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \| .* \|$", README, re.MULTILINE)
    assert rows == [field.name for field in dataclasses.fields(BigQueryConfig)]


@pytest.mark.parametrize("config", [BigQueryLoadConfig, BigQueryExtractConfig, BigQueryCopyConfig])
def test_the_other_settings_are_in_the_text(config: Any) -> None:
    """Each field of each configuration."""
    missing = [field.name for field in dataclasses.fields(config) if f"`{field.name}`" not in README]
    assert not missing


def test_names_and_numbers_are_those_of_the_code() -> None:
    """Metrics, retryable reasons, time limits and the operator's variable."""
    for name in (*BigQueryConnector.metrics, *reasons.RETRYABLE):
        assert f"`{name}`" in README
    assert ALLOWED_PROJECTS_VARIABLE in README
    assert TOKEN_FILES_VARIABLE in README
    for name in (
        google_cloud.PROJECT_VARIABLE,
        google_cloud.DATASET_VARIABLE,
        google_cloud.LOCATION_VARIABLE,
    ):
        assert f"| `{name}` |" in README
    assert f"bill more than {google_cloud.MAXIMUM_BYTES_BILLED:,} bytes" in README
    limits = f"within {ASKING.total:.0f} s ({SUBMITTING.total:.0f} s for starting a job)"
    assert limits in " ".join(README.split())
    assert f"within {ASKING.attempt:.0f} s ({SUBMITTING.attempt:.0f} s)" in " ".join(README.split())
