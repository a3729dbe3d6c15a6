"""The official BigQuery plugin under the conformance kit; `python -m tests.official` makes a table of it.

Its service is the test bed of our own plugin: a BigQuery server on loopback, and a proxy that shows its
jobs as running until the kit ends them.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from _pytest.logging import LogCaptureHandler
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flyte.io import DataFrame
from flyte.models import SerializationContext
from flyte_connectors.testing import ConnectorConformance
from flyteidl2.connector.connector_pb2 import CreateTaskRequest
from flyteplugins.bigquery import BigQueryConfig, BigQueryConnector, BigQueryTask
from google.api_core.retry import Retry
from google.cloud.bigquery import retry
from google.oauth2.service_account import Credentials

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins/bigquery/tests"))

from bed import emulator, proxy
from bed.jobs import QueryJobs
from bed.proxy import Fault, Front, Reply

RETRY_SECONDS = 1.0
HANG_SECONDS = 3.0
TOKEN = {"access_token": "issued-token", "expires_in": 3600, "token_type": "Bearer"}


@pytest.fixture(scope="session")
def server() -> Iterator[emulator.Emulator]:
    """A BigQuery server."""
    with emulator.running() as running:
        yield running


@pytest.fixture(scope="session")
def private_key() -> str:
    """A private key as Google Cloud issues them."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


class TestBigQuery(ConnectorConformance):
    """`flyteplugins.bigquery.connector:BigQueryConnector`."""

    skips: ClassVar[Mapping[str, str]] = {
        "test_any_replica_serves_the_job": "the kit's replica makes the class of the adapter"
    }

    @pytest.fixture(autouse=True)
    def _fair(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing that only a test would feel counts, nobody asks Google, nobody waits ten minutes."""
        # A record that can't be formatted is a remark on standard error elsewhere.
        monkeypatch.setattr(LogCaptureHandler, "handleError", logging.Handler.handleError)
        lookup = "_is_regional_access_boundary_lookup_required"
        monkeypatch.setattr(Credentials, lookup, lambda _: False, raising=False)
        # The vendor's client repeats calls for up to forty minutes, and blocks all the while.
        for policy in vars(retry).values():
            if isinstance(policy, Retry):
                monkeypatch.setattr(policy, "_timeout", RETRY_SECONDS)
        monkeypatch.setattr(proxy, "HANG_SECONDS", HANG_SECONDS)

    @pytest.fixture
    def front(self, server: emulator.Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
        """The proxy before the server, which issues tokens, too."""
        with proxy.running(server.url) as running, running.fronting() as front:
            reply = Reply(200, json.dumps(TOKEN).encode())
            front.faults.append(Fault(lambda _handler, _forward: reply, path="/token"))
            monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", front.url)
            yield front

    @pytest.fixture
    def service(self, front: Front) -> QueryJobs:
        return QueryJobs(front)

    @pytest.fixture
    def connector(self, service: QueryJobs) -> type[BigQueryConnector]:
        return BigQueryConnector

    @pytest.fixture
    def secrets(self, private_key: str, front: Front) -> Mapping[str, str]:
        account = {
            "type": "service_account",
            "client_email": "runner@p1.iam.gserviceaccount.com",
            "private_key": private_key,
            "token_uri": f"{front.url}/token",
        }
        return {"google_application_credentials": json.dumps(account)}

    @pytest.fixture
    def good_request(self) -> CreateTaskRequest:
        task = BigQueryTask(
            name="three",
            query_template="SELECT 3 AS n",
            plugin_config=BigQueryConfig(ProjectID=emulator.PROJECT, Location="US"),
            output_dataframe_type=DataFrame,
        )
        return CreateTaskRequest(template=_serialized(task), output_prefix="file:///nowhere")

    @pytest.fixture
    def bad_requests(self, good_request: CreateTaskRequest) -> Mapping[str, CreateTaskRequest]:
        lacks_project = CreateTaskRequest()
        lacks_project.CopyFrom(good_request)
        del lacks_project.template.custom["ProjectID"]
        return {"custom.ProjectID": lacks_project}


def _serialized(task: Any) -> Any:
    """The task as the official SDK sends it."""
    from flyte._internal.runtime.task_serde import get_proto_task

    return get_proto_task(task, SerializationContext(version="1", project="p", domain="d"))
