"""`flyteplugins-bigquery` and `flytekitplugins-bigquery`, each with a query on a BigQuery server."""

from __future__ import annotations

import importlib
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flyte_connectors import DataFrame, NativeInterface, Phase

sys.path.insert(0, str(Path(__file__).parents[3] / "plugins/bigquery/tests"))

from bed import emulator, proxy
from bed.proxy import Fault, Front, Reply

from tests.official.vendors.whole_job import request_for, whole_job

PACKAGES = {
    "flyteplugins-bigquery": "flyteplugins.bigquery.connector",
    "flytekitplugins-bigquery": "flytekitplugins.bigquery.connector",
}
TASK_TYPE = "bigquery_query_job_task"
CUSTOM = {"ProjectID": emulator.PROJECT, "Location": "US", "Domain": "development"}
OUTPUTS = {"results": DataFrame}

pytestmark = pytest.mark.filterwarnings("ignore")  # the SDKs' own


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The plugins log a failed job with arguments that do not fit, and some handlers raise for that."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def server() -> Iterator[emulator.Emulator]:
    """A BigQuery server."""
    with emulator.running() as running:
        yield running


@pytest.fixture
def account(server: emulator.Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service account, which a server on loopback gives tokens to; the environment names it, too."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with proxy.running(server.url) as running, running.fronting() as front:
        _issues_tokens(front)
        text = json.dumps(
            {
                "type": "service_account",
                "client_email": "runner@p1.iam.gserviceaccount.com",
                "private_key": key.private_bytes(serialization.Encoding.PEM, form, no_password).decode(),
                "token_uri": f"{front.url}/token",
                "project_id": emulator.PROJECT,
            }
        )
        (tmp_path / "account.json").write_text(text)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", front.url)
        yield text


def _issues_tokens(front: Front) -> None:
    token = {"access_token": "issued-token", "expires_in": 3600, "token_type": "Bearer"}
    reply = Reply(200, json.dumps(token).encode())
    front.faults.append(Fault(lambda _handler, _forward: reply, path="/token"))


def connector_of(package: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(PACKAGES[package]).BigQueryConnector()


@pytest.mark.parametrize("package", PACKAGES)
async def test_a_query_goes_through(package: str, account: str) -> None:
    """With an input as its parameter; its result is the table that BigQuery has written."""
    secrets = {"google_application_credentials": account} if package.startswith("flyteplugins") else {}
    request = request_for(
        TASK_TYPE, CUSTOM, outputs=OUTPUTS, secrets=secrets,
        statement="SELECT @number AS n", inputs={"number": 3},
    )  # fmt: skip
    resource = await whole_job(connector_of(package), request)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    table = NativeInterface({}, OUTPUTS).read_outputs("t", resource.outputs)["results"]
    assert table.uri.startswith(f"bq://{emulator.PROJECT}:")
    assert "console.cloud.google.com/bigquery" in resource.log_links[0].uri


@pytest.mark.parametrize("package", PACKAGES)
async def test_a_wrong_query_fails_with_the_vendors_words(package: str, account: str) -> None:
    """So that its user can act on it."""
    secrets = {"google_application_credentials": account} if package.startswith("flyteplugins") else {}
    request = request_for(TASK_TYPE, CUSTOM, outputs=OUTPUTS, secrets=secrets, statement="SELECT * FROM no.such_table")
    resource = await whole_job(connector_of(package), request)
    assert resource.phase == Phase.FAILED
    assert "Not found: Dataset" in resource.message
