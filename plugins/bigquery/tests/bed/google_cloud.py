"""Google's own service as a target of the tests, where credentials are present.

`BIGQUERY_TEST_PROJECT` names a project in which the application default credentials may run jobs and
create datasets. `BIGQUERY_TEST_DATASET` names the dataset that the tests create, and delete at their
end; by default each session has a new one. `BIGQUERY_TEST_LOCATION` is where; by default the US.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import TYPE_CHECKING

import google.auth
import pytest
from flyte_connectors_bigquery import BigQueryConfig
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import bigquery

from bed import iris

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT_VARIABLE = "BIGQUERY_TEST_PROJECT"
DATASET_VARIABLE = "BIGQUERY_TEST_DATASET"
LOCATION_VARIABLE = "BIGQUERY_TEST_LOCATION"

MAXIMUM_BYTES_BILLED = 100_000_000
"""For each query; ten times what Google bills at least for one that reads a table."""

DAY_MS = 86_400_000


@contextlib.contextmanager
def planted() -> Iterator[BigQueryConfig]:
    """A new dataset with the irises in it, deleted at the end; skips the test without credentials."""
    project = os.environ.get(PROJECT_VARIABLE)
    if not project:
        pytest.skip(f"{PROJECT_VARIABLE} names no project of Google Cloud")
    try:
        google.auth.default()
    except DefaultCredentialsError:
        pytest.skip("there are no application default credentials of Google Cloud")
    name = os.environ.get(DATASET_VARIABLE) or f"flyte_connectors_{uuid.uuid4().hex}"
    config = BigQueryConfig(
        ProjectID=project,
        Location=os.environ.get(LOCATION_VARIABLE) or "US",
        default_dataset=name,
        maximum_bytes_billed=MAXIMUM_BYTES_BILLED,
    )
    with bigquery.Client(project=project, location=config.Location) as vendor:
        dataset = bigquery.Dataset(f"{project}.{name}")
        dataset.location = config.Location
        dataset.default_table_expiration_ms = DAY_MS  # should this session be killed
        vendor.create_dataset(dataset)  # fails if there is one: nobody's tables are deleted
        try:
            iris.plant(vendor, name)
            yield config
        finally:
            vendor.delete_dataset(dataset, delete_contents=True)
