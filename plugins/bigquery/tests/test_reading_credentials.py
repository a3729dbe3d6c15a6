"""Whose credentials read a result: those of the query, as far as the reader has them."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import TYPE_CHECKING, Any

import google.auth
import polars
import pyarrow
import pytest
from bed.calls import CONFIG, Calls
from bed.keys import issue
from bed.proxy import Fault, Reply, answer
from flyte_connectors import DataFrame, run
from flyte_connectors.errors import AuthenticationError, FrameError, PermissionDeniedError
from flyte_connectors_bigquery import BigQueryTask, read_batches
from flyte_connectors_bigquery.results import tables
from flyte_connectors_bigquery.results.uris import TableUri
from flyte_connectors_bigquery.settings import EMULATOR_VARIABLE
from google.auth import iam
from google.oauth2.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from bed.proxy import Front

ARGUMENT = "google_application_credentials"
VARIABLE = "FLYTE_SECRET_BQ_KEY"
ACCOUNT = "etl@p2.iam.gserviceaccount.com"
DENIED = answer(403, "accessDenied", "Access Denied: Table p1:_anon.x: User does not have permission")


@pytest.fixture(autouse=True)
def _over_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy sees REST only."""
    monkeypatch.setattr(tables, "_storage_client", lambda _credentials: None)


@pytest.fixture
def tokens(front: Front) -> list[str | None]:
    """The access token of each call to BigQuery."""
    seen: list[str | None] = []

    def look(handler: Any, forward: Any) -> Reply:
        seen.append(handler.headers["Authorization"])
        reply: Reply = forward()
        return reply

    front.faults.append(Fault(look, path="/bigquery/"))
    return seen


def _task(**config: Any) -> BigQueryTask:
    return BigQueryTask(
        name="secret",
        query_template="SELECT 1 AS n",
        plugin_config=dataclasses.replace(CONFIG, **config),
        output_dataframe_type=DataFrame,
        google_application_credentials="bq-key",
    )


async def test_the_secret_of_the_query_reads_its_result(
    emulated: Calls, front: Front, key: str, tokens: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The output names the secret, and the reader finds it where Flyte mounts secrets."""
    issue(front)
    results: DataFrame = (await emulated.run(_task(), secrets={ARGUMENT: key}))["results"]
    assert results.uri is not None
    assert results.uri.endswith("?secret=bq-key")
    tokens.clear()
    monkeypatch.setenv(VARIABLE, key)
    assert results.open(polars.DataFrame).all_sync()["n"].to_list() == [1]
    assert set(tokens) == {"Bearer issued-token"}


@pytest.mark.usefixtures("emulated")
def test_a_local_run_reads_what_its_query_gave(
    front: Front,
    key: str,
    tokens: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    """One variable holds the secret for both."""
    issue(front)
    monkeypatch.setenv(VARIABLE, key)
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path))
    results = run(_task()).outputs()
    assert results.open(pyarrow.Table).all_sync().to_pylist() == [{"n": 1}]
    assert set(tokens) == {"Bearer issued-token"}


async def test_the_impersonated_account_reads_its_result(
    emulated: Calls, front: Front, key: str, tokens: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the secret of the query, by the chain that the query used."""
    asked = _generate(front, monkeypatch)
    issue(front)
    task = _task(impersonate_service_account=f"first@p1.iam.gserviceaccount.com, {ACCOUNT}")
    results: DataFrame = (await emulated.run(task, secrets={ARGUMENT: key}))["results"]
    monkeypatch.setenv(VARIABLE, key)
    results.open(pyarrow.Table).all_sync()
    assert set(tokens) == {"Bearer acting"}
    for path, body in asked:
        assert path.endswith(f"/{ACCOUNT}:generateAccessToken")
        assert body["delegates"] == ["projects/-/serviceAccounts/first@p1.iam.gserviceaccount.com"]
    assert len(asked) == 2


async def test_without_the_secret_the_error_says_what_is_missing(emulated: Calls, front: Front, key: str) -> None:
    """The default credentials are tried; what they may not read is told with the way out."""
    issue(front)
    results: DataFrame = (await emulated.run(_task(), secrets={ARGUMENT: key}))["results"]
    assert results.open(pyarrow.Table).all_sync().num_rows == 1  # those that may, do
    front.faults.appendleft(Fault(DENIED, path="/tables/"))
    said = f"Access Denied: .*; the query ran with a secret .* set {VARIABLE} or bq-key$"
    with pytest.raises(PermissionDeniedError, match=said):
        results.open(pyarrow.Table).all_sync()


def test_without_any_credentials_the_error_says_so(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the secret, too."""
    assert front

    def none(**_: Any) -> Any:
        raise google.auth.exceptions.DefaultCredentialsError("no default credentials")

    monkeypatch.delenv(EMULATOR_VARIABLE)
    monkeypatch.setattr(google.auth, "default", none)
    with pytest.raises(AuthenticationError, match=f"no default credentials.*set {VARIABLE}"):
        next(read_batches("bq://p1:garden.iris?secret=bq-key"))


def test_a_reader_may_bring_credentials_of_its_own(emulated: Calls, front: Front, tokens: list[str]) -> None:
    """They win over those that the URI names."""
    assert front
    own: Any = Credentials("own-token")  # type: ignore[no-untyped-call]
    uri = f"{emulated.uri('iris')}?secret=bq-key"
    assert sum(batch.num_rows for batch in read_batches(uri, credentials=own)) == 150
    assert set(tokens) == {"Bearer own-token"}


async def test_a_query_with_the_servers_credentials_has_a_plain_uri(calls: Calls) -> None:
    """As other readers of `bq://` know it."""
    results = (await calls.run(calls.query("SELECT 1 AS n", frame=True)))["results"]
    assert "?" not in results.uri


async def test_a_task_of_the_official_sdk_has_a_plain_uri(emulated: Calls, front: Front, key: str) -> None:
    """Its own reader takes nothing else."""
    task = _task()
    custom = task.custom_config
    task.custom_config = lambda sctx: {  # type: ignore[method-assign]
        name: value for name, value in custom(sctx).items() if name != "readerSecret"
    }
    issue(front)
    results = (await emulated.run(task, secrets={ARGUMENT: key}))["results"]
    assert "?" not in results.uri


@given(
    st.builds(
        TableUri,
        project=st.from_regex(r"([a-z.]+:)?[a-z0-9-]+", fullmatch=True),
        dataset=st.from_regex(r"\w+", fullmatch=True),
        table=st.from_regex(r"[\w$@ -]+", fullmatch=True),
        secret=st.none() | st.text(min_size=1),
        impersonate=st.none() | st.just(ACCOUNT) | st.just(f"{ACCOUNT},x@y"),
    )
)
def test_a_uri_says_what_went_in(table: TableUri) -> None:
    """Whatever the names are."""
    assert TableUri.parse(str(table)) == table


def test_a_query_in_another_project_is_named() -> None:
    """Reading is billed to where the query ran, unless that is where the table is."""
    uri = str(TableUri("p", "d", "t", secret="x", job_project="q"))
    assert uri == "bq://p:d.t?secret=x&project=q"
    assert TableUri.parse(uri).job_project == "q"
    assert str(TableUri("p", "d", "t", secret="x", job_project="p")) == "bq://p:d.t?secret=x"
    with pytest.raises(FrameError, match=r"write bq://project:dataset\.table"):
        TableUri.parse("bq://p:d.t?key=x")


def _generate(front: Front, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Google's IAM at the proxy, and what it is asked."""
    monkeypatch.setattr(
        iam,
        "_IAM_ENDPOINT",
        iam._IAM_ENDPOINT.replace("https://iamcredentials.googleapis.com", front.url),
    )
    asked: list[tuple[str, Any]] = []

    def generate(handler: Any, _forward: object) -> Reply:
        asked.append((handler.path, json.loads(handler.body)))
        tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        token = {"accessToken": "acting", "expireTime": f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}"}
        return Reply(200, json.dumps(token).encode())

    front.faults.append(Fault(generate, path=":generateAccessToken"))
    return asked
