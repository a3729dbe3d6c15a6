"""Whose credentials a call uses, what they may reach, and that they stay where they are."""

from __future__ import annotations

import datetime
import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from bed.calls import CONFIG, Calls
from bed.keys import issue
from bed.proxy import Fault, Reply, answer
from flyte_connectors.connector import Phase
from flyte_connectors.errors import AuthenticationError, InvalidRequestError, PermissionDeniedError
from flyte_connectors_bigquery import BigQueryConfig, BigQueryTask
from flyte_connectors_bigquery.access import connections
from flyte_connectors_bigquery.access.credentials import Identity, default_project, from_json
from flyte_connectors_bigquery.settings import (
    ALLOWED_PROJECTS_VARIABLE,
    EMULATOR_VARIABLE,
    LOCATION_VARIABLE,
    TOKEN_FILES_VARIABLE,
)
from google.auth import iam, impersonated_credentials
from google.auth.credentials import AnonymousCredentials

if TYPE_CHECKING:
    from pathlib import Path

    from bed.proxy import Front

SECRET = "google_application_credentials"
ACCOUNT = "etl@p2.iam.gserviceaccount.com"
TASK = BigQueryTask(
    name="secret",
    query_template="SELECT 1 AS n",
    plugin_config=CONFIG,
    outputs={"n": int},
    google_application_credentials="bq-key",
)


async def test_the_tasks_own_key_is_used(emulated: Calls, front: Front, key: str) -> None:
    """A service account's JSON arrives as a secret and is exchanged for a token, once."""
    issue(front)
    for _ in range(2):
        assert await emulated.run(TASK, secrets={SECRET: key}) == {"n": 1}
    assert front.count("POST", "/token") == 1


async def test_a_refused_key_is_an_authentication_error(emulated: Calls, front: Front, key: str) -> None:
    """An expired or revoked key says what to check, not what is in it."""
    refused = answer(400, "invalid_grant", "Invalid JWT Signature.")
    front.faults.append(Fault(refused, path="/token"))
    with pytest.raises(AuthenticationError, match="check the service account JSON") as raised:
        await emulated.create(TASK, secrets={SECRET: key})
    _holds_no_part_of(key, str(raised.value))


async def test_refused_credentials_are_an_authentication_error(emulated: Calls, front: Front, key: str) -> None:
    """A 401 of BigQuery's is distinguished from a missing permission."""
    issue(front)
    front.faults.append(Fault(answer(401, "authError", "Invalid Credentials"), path="/jobs"))
    with pytest.raises(AuthenticationError, match="Invalid Credentials"):
        await emulated.create(TASK, secrets={SECRET: key})


@pytest.mark.parametrize(
    "secret",
    [
        "no json",
        "[]",
        '{"type": "service_account"}',
        '{"type": "authorized_user", "refresh_token": "x", "token_uri": "https://oauth2.googleapis.com/token"}',
        '{"type": "external_account", "token_uri": "https://sts.googleapis.com/v1/token"}',
    ],
)
async def test_a_secret_that_is_no_key_says_what_it_has_to_be(emulated: Calls, front: Front, secret: str) -> None:
    """A document that is incomplete or of no known type; its content is not quoted."""
    with pytest.raises(AuthenticationError, match="has to be the JSON that Google Cloud issued"):
        await emulated.create(TASK, secrets={SECRET: secret})
    assert not front.calls


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/token",
        "https://googleapis.com.evil.example/",
        "http://oauth2.googleapis.com/",
    ],
)
async def test_a_key_can_not_send_the_server_elsewhere(emulated: Calls, key: str, uri: str) -> None:
    """The token comes from Google, whatever host the key names."""
    elsewhere = json.dumps({**json.loads(key), "token_uri": uri})
    with pytest.raises(AuthenticationError, match="has to be the JSON that Google Cloud issued"):
        await emulated.create(TASK, secrets={SECRET: elsewhere})


async def test_a_key_appears_nowhere(emulated: Calls, front: Front, key: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the meta, the state, the log, or what stands for the identity in the cache."""
    issue(front)
    with caplog.at_level(logging.DEBUG):
        job = await emulated.create(TASK, secrets={SECRET: key})
        resource = await job.end()
    assert resource.phase == Phase.SUCCEEDED
    known = [repr(entry) for entry in connections._clients]
    identity = repr(Identity("p1", key))
    for place in (job.meta.decode("latin-1"), str(resource), caplog.text, identity, *known):
        _holds_no_part_of(key, place)


async def test_identities_do_not_share_clients(emulated: Calls, front: Front, key: str) -> None:
    """Two tasks with different keys ask with different tokens, interleaved as they may be."""
    issue(front)
    other = json.dumps({**json.loads(key), "client_email": "other@p1.iam.gserviceaccount.com"})
    for secret in (key, other, key, other):
        await emulated.run(TASK, secrets={SECRET: secret})
    assert front.count("POST", "/token") == 2


def watch(front: Front) -> set[str]:
    """The tokens that calls to BigQuery bring from now on."""
    seen: set[str] = set()

    def look(handler: Any, forward: Any) -> Any:
        seen.add(handler.headers["Authorization"])
        return forward()

    front.faults.append(Fault(look, path="/bigquery/"))
    return seen


async def test_a_users_credentials_are_used(emulated: Calls, front: Front) -> None:
    """`authorized_user`, as `gcloud auth application-default login` writes it."""
    issue(front)
    seen = watch(front)
    user = {"type": "authorized_user", "client_id": "c", "client_secret": "s"}
    info = {**user, "refresh_token": "r", "token_uri": f"{front.url}/token"}
    assert await emulated.run(TASK, secrets={SECRET: json.dumps(info)}) == {"n": 1}
    assert seen == {"Bearer issued-token"}


def test_an_account_that_impersonates_is_used(front: Front, key: str) -> None:
    """`impersonated_service_account`: the target of its URL, through its delegates."""
    accounts = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
    info = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": f"{accounts}/{ACCOUNT}:generateAccessToken",
        "delegates": ["projects/-/serviceAccounts/via@p1.iam.gserviceaccount.com"],
        "source_credentials": json.loads(key),
    }
    assert front
    credentials: Any = from_json(json.dumps(info))
    assert credentials.service_account_email == ACCOUNT
    assert credentials._delegates == info["delegates"]


class TestWorkloadIdentity:
    """`external_account`: a token in a file is exchanged at Google's token service."""

    @pytest.fixture
    def info(self, front: Front, tmp_path: Path) -> dict[str, Any]:
        """Whose token service is the proxy."""
        (tmp_path / "token").write_text("of-the-workload")
        return {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{front.url}/token",
            "credential_source": {"file": str(tmp_path / "token")},
        }

    async def test_a_file_that_the_operator_lists_is_read(
        self,
        emulated: Calls,
        front: Front,
        info: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Its token is exchanged for one that BigQuery sees."""
        seen = watch(front)
        body = {"access_token": "exchanged", "expires_in": 3600, "token_type": "Bearer"}
        issued = json.dumps({**body, "issued_token_type": "x"}).encode()
        front.faults.append(Fault(lambda _h, _f: Reply(200, issued), path="/token"))
        monkeypatch.setenv(TOKEN_FILES_VARIABLE, f"/other,{info['credential_source']['file']}")
        assert await emulated.run(TASK, secrets={SECRET: json.dumps(info)}) == {"n": 1}
        assert seen == {"Bearer exchanged"}

    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"credential_source": {"url": "https://sts.googleapis.com/"}},
            {"credential_source": {"executable": {"command": "id"}}},
            {"credential_source": {"environment_id": "aws1"}},
            {"token_url": "https://evil.example/token"},
            {"universe_domain": "evil.example"},
            {"service_account_impersonation_url": "https://evil.example/"},
        ],
    )
    def test_whatever_else_is_refused(
        self,
        front: Front,
        info: dict[str, Any],
        change: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Files that are not listed, addresses, commands, and services that are not Google's."""
        if change:
            monkeypatch.setenv(TOKEN_FILES_VARIABLE, info["credential_source"]["file"])
        with pytest.raises(AuthenticationError, match=f"listed in {TOKEN_FILES_VARIABLE}"):
            from_json(json.dumps({**info, **change}))
        assert not front.calls


class TestImpersonation:
    """Acting as another account: its token is had from Google's IAM for that of the own key.

    https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
    """

    @pytest.fixture(autouse=True)
    def _iam_is_the_proxy(self, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the host of google-auth's address is another."""
        here = iam._IAM_ENDPOINT.replace("https://iamcredentials.googleapis.com", front.url)
        assert here.startswith(f"{front.url}/v1/")
        monkeypatch.setattr(iam, "_IAM_ENDPOINT", here)

    @pytest.mark.parametrize("before", [[], ["a@p1.iam.gserviceaccount.com", "b@p2.iam.gserviceaccount.com"]])
    async def test_bigquery_sees_the_other_account(
        self, emulated: Calls, front: Front, key: str, before: list[str]
    ) -> None:
        """The own token is exchanged once, along the chain; every call to BigQuery carries the account's."""
        asked: list[tuple[str, str, Any]] = []

        def generate(handler: Any, _forward: object) -> Reply:
            asked.append((handler.path, handler.headers["Authorization"], json.loads(handler.body)))
            tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
            token = {"accessToken": "acting", "expireTime": f"{tomorrow:%Y-%m-%dT%H:%M:%SZ}"}
            return Reply(200, json.dumps(token).encode())

        issue(front)
        front.faults.append(Fault(generate, path=":generateAccessToken"))
        seen = watch(front)
        accounts = ",".join([*before, ACCOUNT])
        task = emulated.query("SELECT 1 AS n", outputs={"n": int}, impersonate_service_account=accounts)
        for _ in range(2):
            assert await emulated.run(task, secrets={SECRET: key}) == {"n": 1}
        ((path, own, body),) = asked
        assert path == f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
        assert own == "Bearer issued-token"
        assert body["scope"] == ["https://www.googleapis.com/auth/cloud-platform"]
        assert (body["delegates"] or []) == [f"projects/-/serviceAccounts/{name}" for name in before]
        assert seen == {"Bearer acting"}

    async def test_without_the_role_the_error_names_it(self, emulated: Calls, front: Front, key: str) -> None:
        """Google's refusal has to be fixed by the author or operator, in IAM."""
        refused = answer(403, "forbidden", "Permission 'iam.serviceAccounts.getAccessToken' denied")
        issue(front)
        front.faults.append(Fault(refused, path=":generateAccessToken"))
        task = emulated.query("SELECT 1", impersonate_service_account=ACCOUNT)
        with pytest.raises(AuthenticationError, match="need the role Service Account Token Creator"):
            await emulated.create(task, secrets={SECRET: key})
        assert not front.count("POST", "/bigquery/")


class _Server:
    """Google's default credentials on a server that runs in the project `own`."""

    @pytest.fixture(autouse=True)
    def _on_google(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(EMULATOR_VARIABLE, raising=False)
        monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), "own"))


class TestServerCredentials(_Server):
    """The server's own credentials serve only the projects that the operator allows."""

    def test_its_own_project_needs_no_setting(self) -> None:
        """What the credentials belong to, they may be used for."""
        assert Identity("own").load()
        with pytest.raises(PermissionDeniedError, match=f"list other in {ALLOWED_PROJECTS_VARIABLE}"):
            Identity("other").load()

    def test_the_operator_lists_the_projects(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A list replaces the default; a star allows all."""
        monkeypatch.setenv(ALLOWED_PROJECTS_VARIABLE, "a, b")
        assert Identity("b").load()
        with pytest.raises(PermissionDeniedError):
            Identity("own").load()
        monkeypatch.setenv(ALLOWED_PROJECTS_VARIABLE, "*")
        assert Identity("anything").load()

    @pytest.mark.parametrize(
        "address",
        ["etl@other.iam.gserviceaccount.com", "123-compute@developer.gserviceaccount.com", "x"],
    )
    def test_acting_as_another_account_is_bounded_as_well(self, address: str) -> None:
        """The server's credentials act only as accounts of allowed projects."""
        with pytest.raises(PermissionDeniedError, match=address):
            Identity("own", impersonate=address).load()

    def test_an_allowed_account_is_acted_as(self) -> None:
        """The credentials are those of the account, got through the server's."""
        address = "etl@own.iam.gserviceaccount.com"
        credentials: Any = Identity("own", impersonate=address).load()
        assert isinstance(credentials, impersonated_credentials.Credentials)
        assert credentials.service_account_email == address


def _holds_no_part_of(key: str, text: str) -> None:
    content: dict[str, str] = json.loads(key)
    lines = content["private_key"].splitlines()[1:-1]
    assert not [line for line in lines if line in text]
    assert "issued-token" not in text


async def test_a_task_without_a_project_runs_in_that_of_its_credentials(
    emulated: Calls, front: Front, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables without one are in it, too; the location is the operator's."""
    issue(front)
    sent: list[dict[str, Any]] = []

    def look(handler: Any, forward: Any) -> Any:
        sent.append(json.loads(handler.body))
        return forward()

    front.faults.append(Fault(look, method="POST", path="/projects/p1/jobs"))
    monkeypatch.setenv(LOCATION_VARIABLE, "US")
    config = BigQueryConfig(default_dataset="garden", destination=f"garden.t{uuid.uuid4().hex}")
    task = BigQueryTask("count", "SELECT COUNT(*) AS n FROM iris", config, outputs={"n": int})
    task.google_application_credentials = "bq-key"
    own = json.dumps({**json.loads(key), "project_id": "p1"})
    given = await emulated.run(task, secrets={SECRET: own})
    assert given == {"n": 150}
    (job,) = sent
    assert job["jobReference"]["location"] == "US"
    query = job["configuration"]["query"]
    assert query["destinationTable"]["projectId"] == query["defaultDataset"]["projectId"] == "p1"


async def test_credentials_that_name_no_project_need_one_in_the_task(emulated: Calls, key: str) -> None:
    """The error says where to put it."""
    task = BigQueryTask("one", "SELECT 1", BigQueryConfig())
    task.google_application_credentials = "bq-key"
    with pytest.raises(InvalidRequestError, match=r"custom\.ProjectID: not set, and the credent"):
        await emulated.create(task, secrets={SECRET: key})


@pytest.mark.parametrize(
    ("info", "project"),
    [
        ({"project_id": "a", "quota_project_id": "b"}, "a"),
        ({"quota_project_id": "b"}, "b"),
        ({"project_id": 1}, None),
        ([], None),
    ],
)
def test_the_project_of_credentials(info: Any, project: str | None) -> None:
    """As each kind of JSON writes it."""
    assert default_project(json.dumps(info)) == project
